//! A pool in a program: `pool litecoin http://127.0.0.1:9332 .litecoin/.cookie ltc1q... pool.db 0.0.0.0:3333`.

use otedama_core::Factor;
use otedama_examples::Failure;
use otedama_pool::journal::Sqlite;
use otedama_pool::node::{Auth, Bitcoind};
use otedama_pool::scheme::Pplns;
use otedama_pool::{Coin, Pool};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [coin, node, cookie, address, journal, listen] = &arguments[..] else {
        return Err("usage: pool COIN NODE COOKIE ADDRESS JOURNAL LISTEN".into());
    };
    let node = Bitcoind::new(node, Auth::Cookie(cookie.into()))?;
    let pool = Pool::builder(node, address, Pplns::new(Factor::whole(2))?).journal(Sqlite::open(journal)?);
    let mut pool = pool.coin(Coin::find(coin).ok_or("unknown coin")?).listen(listen).start().await?;
    println!("listening {}", pool.addresses()[0]);
    while let Some(event) = pool.next_event().await {
        println!("{event:?}");
    }
    Ok(())
}
