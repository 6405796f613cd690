//! The nodes of a pool as its task asks them: off the task, and each only a few things at a time.
//!
//! A node has few threads and a short queue for requests. Where blocks are found faster than it takes them, on a test
//! chain of the lowest difficulty or after a long silence of the node, they wait here instead of being turned away
//! there, and templates still get through. Blocks on the newest tip go first, so that rivals of blocks long on the
//! chain keep nobody waiting; blocks on one tip go in the order in which they were found, so that all nodes take the
//! same one. A node that hangs delays nobody but itself.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otedama_core::Hash256;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::actor::Message;
use crate::core::NodeId;
use crate::limits::node::MAX_QUESTIONS;
use crate::node::Node;

/// How long the first answer about a block may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the others may take then.
const GRACE: Duration = Duration::from_secs(1);

/// All nodes of a pool. Answers come as messages.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Asked>,
    messages: mpsc::Sender<Message>,
    observing: HashSet<Hash256>,
}

#[derive(Debug)]
struct Asked {
    node: Arc<dyn Node>,
    submissions: Arc<Questions>,
    observations: Arc<Questions>,
}

/// Questions of one kind for one node.
struct Questions {
    node: Arc<dyn Node>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the tip that they are about, the newest tip last.
    waiting: Vec<(Hash256, VecDeque<Question>)>,
    count: usize,
    asking: bool,
}

type Question = Box<dyn FnOnce(&dyn Node) + Send>;

impl Nodes {
    pub(super) fn new(nodes: &[Arc<dyn Node>], messages: mpsc::Sender<Message>) -> Self {
        let asked = |node: &Arc<dyn Node>| Asked {
            node: Arc::clone(node),
            submissions: Questions::new(node),
            observations: Questions::new(node),
        };
        Self { nodes: nodes.iter().map(asked).collect(), messages, observing: HashSet::new() }
    }

    /// Hands every node the block; each answers for itself.
    pub(super) fn submit(&self, hash: Hash256, block: &Arc<[u8]>) {
        let parent = block.get(4..).and_then(|rest| rest.first_chunk::<32>());
        let tip = parent.map_or(Hash256::ZERO, |bytes| Hash256::from_internal(*bytes));
        for (index, asked) in self.nodes.iter().enumerate() {
            let (block, messages) = (Arc::clone(block), self.messages.clone());
            asked.submissions.ask(tip, move |node| {
                let _ = messages.blocking_send(Message::Submitted(hash, NodeId(index), node.submit(&block)));
            });
        }
    }

    /// Asks all nodes about a block, unless they are being asked. [`observed`](Self::observed) is to be called with the
    /// message.
    pub(super) fn observe(&mut self, hash: Hash256) {
        if !self.observing.insert(hash) {
            return;
        }
        let (answer, mut answers) = mpsc::channel(self.nodes.len().max(1));
        for (index, asked) in self.nodes.iter().enumerate() {
            let answer = answer.clone();
            asked.observations.ask(Hash256::ZERO, move |node| {
                let _ = answer.blocking_send((NodeId(index), node.block(hash)));
            });
        }
        drop(answer);
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let (mut said, mut patience) = (Vec::new(), PATIENCE);
            while let Ok(Some((node, answer))) = timeout(patience, answers.recv()).await {
                let Ok(status) = answer else { continue };
                said.push((node, status));
                patience = GRACE;
            }
            let _ = messages.send(Message::Observed(hash, said)).await;
        });
    }

    /// The nodes have answered, or none did.
    pub(super) fn observed(&mut self, hash: &Hash256) {
        self.observing.remove(hash);
    }

    /// Shows the first node that answers a block without its proof of work.
    pub(super) fn propose(&self, block: Arc<[u8]>) {
        let nodes: Vec<_> = self.nodes.iter().map(|asked| Arc::clone(&asked.node)).collect();
        let messages = self.messages.clone();
        tokio::task::spawn_blocking(move || {
            for (index, node) in nodes.iter().enumerate() {
                let answer = node.propose(&block);
                let done = answer.is_ok() || index + 1 == nodes.len();
                if done {
                    let _ = messages.blocking_send(Message::Proposed(NodeId(index), answer));
                    return;
                }
            }
        });
    }
}

impl Questions {
    fn new(node: &Arc<dyn Node>) -> Arc<Self> {
        Arc::new(Self { node: Arc::clone(node), state: Mutex::default() })
    }

    /// Asks on a thread where blocking is allowed, before everything that waits about an older tip.
    fn ask(self: &Arc<Self>, tip: Hash256, question: impl FnOnce(&dyn Node) + Send + 'static) {
        let mut state = self.lock();
        state.push(tip, Box::new(question));
        if !state.asking {
            state.asking = true;
            let questions = Arc::clone(self);
            tokio::task::spawn_blocking(move || questions.ask_all());
        }
    }

    fn ask_all(&self) {
        while let Some(question) = self.next() {
            question(self.node.as_ref());
        }
    }

    /// The next question; without one, the asking ends.
    fn next(&self) -> Option<Question> {
        let mut state = self.lock();
        let question = state.pop();
        state.asking = question.is_some();
        question
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Of too many, the oldest about the oldest tip is given up.
    fn push(&mut self, tip: Hash256, question: Question) {
        match self.waiting.iter_mut().rev().find(|(known, _)| *known == tip) {
            Some((_, questions)) => questions.push_back(question),
            None => self.waiting.push((tip, VecDeque::from([question]))),
        }
        self.count += 1;
        if self.count > MAX_QUESTIONS {
            self.take(0);
        }
    }

    fn pop(&mut self) -> Option<Question> {
        self.take(self.waiting.len().checked_sub(1)?)
    }

    fn take(&mut self, index: usize) -> Option<Question> {
        let (_, questions) = self.waiting.get_mut(index)?;
        let question = questions.pop_front();
        if questions.is_empty() {
            self.waiting.remove(index);
        }
        self.count -= 1;
        question
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").field("waiting", &self.lock().count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;

    use otedama_core::{Algorithm, Amount, CompactTarget, UnixTime};

    use super::*;
    use crate::node::{BlockStatus, Devnet, DevnetConfig, NodeError, Submission};
    use crate::template::Template;

    fn devnet() -> Devnet {
        let (bits, clock) = (CompactTarget::from_bits(0x207f_ffff), Arc::new(|| UnixTime::from_secs(1)));
        Devnet::new(DevnetConfig::new(Algorithm::SHA256D, bits, Amount::from_atomic(50), clock)).unwrap()
    }

    fn order(pushed: &[(u8, u32)]) -> Vec<u32> {
        let (mut state, answers) = (State::default(), Arc::new(Mutex::new(Vec::new())));
        for (tip, number) in pushed.iter().copied() {
            let answers = Arc::clone(&answers);
            let note = move |_: &dyn Node| answers.lock().unwrap().push(number);
            state.push(Hash256::from_internal([tip; 32]), Box::new(note));
        }
        let node = devnet();
        while let Some(question) = state.pop() {
            question(&node);
        }
        assert_eq!((state.count, state.waiting.len()), (0, 0));
        answers.lock().unwrap().clone()
    }

    #[test]
    fn the_newest_tip_goes_first_and_on_one_tip_the_first_block() {
        assert_eq!(order(&[(1, 10), (1, 11), (2, 20), (1, 12), (2, 21)]), [20, 21, 10, 11, 12]);
        assert!(order(&[]).is_empty());
    }

    #[test]
    fn of_too_many_the_oldest_is_given_up() {
        let limit = u32::try_from(MAX_QUESTIONS).unwrap();
        let many: Vec<_> = (0..=limit).map(|number| (1, number)).collect();
        assert_eq!(order(&many), (1..=limit).collect::<Vec<_>>());
    }

    /// A node that answers nothing until its sender is dropped.
    #[derive(Debug)]
    struct Hanging(Mutex<std_mpsc::Receiver<()>>);

    impl Hanging {
        fn hang<T>(&self) -> Result<T, NodeError> {
            let _ = self.0.lock().unwrap().recv();
            Err(NodeError::Unreachable("it hung".into()))
        }
    }

    impl Node for Hanging {
        fn name(&self) -> &'static str {
            "hanging"
        }

        fn chain(&self) -> Result<String, NodeError> {
            self.hang()
        }

        fn tip(&self) -> Result<Hash256, NodeError> {
            self.hang()
        }

        fn template(&self) -> Result<Template, NodeError> {
            self.hang()
        }

        fn next_template(&self, _: &Template, _: Duration) -> Result<Option<Template>, NodeError> {
            self.hang()
        }

        fn submit(&self, _: &[u8]) -> Result<Submission, NodeError> {
            self.hang()
        }

        fn propose(&self, _: &[u8]) -> Result<Option<Submission>, NodeError> {
            self.hang()
        }

        fn block(&self, _: Hash256) -> Result<Option<BlockStatus>, NodeError> {
            self.hang()
        }
    }

    #[tokio::test]
    async fn a_node_that_hangs_delays_no_answer_of_another() {
        let (release, hung) = std_mpsc::channel();
        let nodes: [Arc<dyn Node>; 2] = [Arc::new(Hanging(Mutex::new(hung))), Arc::new(devnet())];
        let (messages, mut inbox) = mpsc::channel(16);
        let mut nodes = Nodes::new(&nodes, messages);
        for byte in 0..3 {
            let hash = Hash256::from_internal([byte; 32]);
            nodes.observe(hash);
            nodes.observe(hash);
            nodes.submit(hash, &Arc::from([byte; 80]));
        }
        let (mut observed, mut submitted) = (Vec::new(), 0);
        while observed.len() < 3 || submitted < 3 {
            match inbox.recv().await.unwrap() {
                Message::Observed(hash, said) => {
                    assert_eq!(said, [(NodeId(1), None)]);
                    observed.push(hash.as_internal()[0]);
                }
                Message::Submitted(_, NodeId(1), Ok(Submission::Refused(_))) => submitted += 1,
                other => panic!("{other:?}"),
            }
        }
        observed.sort_unstable();
        assert_eq!(observed, [0, 1, 2], "each is asked about once");
        drop(release);
    }
}
