//! What a node's best chain holds for a pool.

use std::collections::HashMap;

use otedama_core::Amount;
use serde_json::Value;

use crate::litecoind::Litecoind;

/// Blocks as a node showed them; what was seen once need not be asked for again.
#[derive(Default)]
pub struct Chain(HashMap<String, Block>);

/// A block and what its coinbase pays the pool.
#[derive(Clone)]
pub struct Block {
    pub hash: String,
    pub height: u32,
    pub paid: Amount,
    previous: Option<String>,
}

impl Chain {
    /// The best chain of a node, the tip first, with what each coinbase pays to this address.
    pub fn best(&mut self, node: &Litecoind, address: &str) -> Vec<Block> {
        let (mut blocks, mut next) = (Vec::new(), Some(node.tip()));
        while let Some(hash) = next {
            let block = self.0.entry(hash).or_insert_with_key(|hash| Block::ask(node, hash, address)).clone();
            next = block.previous.clone();
            blocks.push(block);
        }
        blocks
    }
}

impl Block {
    fn ask(node: &Litecoind, hash: &str, address: &str) -> Self {
        let block: Value = serde_json::from_str(&node.cli(&["getblock", hash, "2"])).unwrap();
        let outputs = block["tx"][0]["vout"].as_array().into_iter().flatten();
        let ours = outputs.filter(|output| output["scriptPubKey"]["addresses"][0] == address);
        let amounts = ours.map(|output| Amount::from_coins(&output["value"].to_string(), 8).unwrap());
        Self {
            hash: hash.to_owned(),
            height: u32::try_from(block["height"].as_u64().unwrap()).unwrap(),
            paid: Amount::checked_sum(amounts).unwrap(),
            previous: block["previousblockhash"].as_str().map(str::to_owned),
        }
    }
}
