//! Following a node: a thread that asks it for one template after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, sleep};

use tokio::sync::mpsc;

use crate::limits::node::{PATIENCE, RETRY};
use crate::node::{Node, NodeError};
use crate::template::Template;

/// Follows a node on a thread of that name, until `stop` is raised or nobody receives any more.
///
/// `judge` sees the chain that the node follows and each template of it; what it refuses counts as a failure of the
/// node. Every template and every failure is sent, as what `message` makes of it.
pub(crate) fn follow<M: Send + 'static>(
    thread: String,
    node: Arc<dyn Node>,
    stop: Arc<AtomicBool>,
    judge: impl Fn(&str, &Template) -> Result<(), NodeError> + Send + 'static,
    messages: mpsc::Sender<M>,
    message: impl Fn(Result<Arc<Template>, NodeError>) -> M + Send + 'static,
) -> std::io::Result<()> {
    Builder::new().name(thread).spawn(move || {
        let (mut seen, mut chain): (Option<Arc<Template>>, _) = (None, None);
        while !stop.load(Ordering::Relaxed) {
            let news = news(node.as_ref(), seen.as_deref(), &mut chain, &judge).map(Arc::new);
            let failed = news.is_err();
            seen = news.as_ref().ok().cloned();
            if failed {
                chain = None;
            }
            if messages.blocking_send(message(news)).is_err() {
                return;
            }
            if failed {
                sleep(RETRY);
            }
        }
    })?;
    Ok(())
}

/// The next template: at once if none was seen, else when there is news, and a fresh one when there is none for long.
/// The node is asked for its chain once, until it fails: it may have been replaced by another.
fn news(
    node: &dyn Node,
    seen: Option<&Template>,
    chain: &mut Option<String>,
    judge: impl Fn(&str, &Template) -> Result<(), NodeError>,
) -> Result<Template, NodeError> {
    let news = match seen {
        None => None,
        Some(seen) => node.next_template(seen, PATIENCE)?,
    };
    let template = match news {
        Some(template) => template,
        None => node.template()?,
    };
    let chain = match chain {
        Some(chain) => chain,
        None => chain.insert(node.chain()?),
    };
    judge(chain, &template)?;
    Ok(template)
}
