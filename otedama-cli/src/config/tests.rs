//! Whole configurations: what is taken, and what is said of what is not.

use otedama_core::Factor;
use otedama_pool::vardiff::VardiffConfig;

use super::*;

const LITECOIN: &str = r#"
coin: litecoin
nodes: [{ kind: bitcoind, url: "http://127.0.0.1:9332", user: u, password: p }]
pool: { name: default, address: "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", fee_percent: "1.0", scheme: pplns, window: "2.0", tag: "/otedama/" }
stratum: { listen: ["127.0.0.1:3333"], vardiff: { start: auto, shares_per_minute: 12 } }
store: { path: data/otedama.db }
"#;

const DEVNET: &str = r#"
algorithm: scrypt
nodes: [{ kind: devnet }]
pool: { address: bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080 }
"#;

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::parse("c.yaml", text, [], Part::All)
}

fn errors(text: &str) -> String {
    load(text).map(|config| format!("no error: {config:?}")).unwrap_or_else(|error| error.to_string())
}

#[test]
fn the_full_form_is_read() {
    let config = load(LITECOIN).unwrap();
    let pool = &config.pools[0];
    assert_eq!((pool.coin, pool.coin.algorithm), (otedama_pool::Coin::LITECOIN, Algorithm::SCRYPT));
    assert_eq!(pool.fee.to_string(), "1.0");
    assert_eq!(pool.scheme, SchemeConfig::Pplns(Factor::whole(2)));
    assert_eq!(pool.vardiff, VardiffConfig::new(Algorithm::SCRYPT));
    let NodeConfig::Bitcoind { url, credentials: Credentials::Password { user, password } } = &pool.nodes[0]
    else {
        panic!("{:?}", pool.nodes);
    };
    assert_eq!((url.as_str(), user.as_str(), password.reveal()), ("http://127.0.0.1:9332", "u", "p"));
    assert!(!format!("{config:?}").contains("\"p\""), "a password is not shown");
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = load(DEVNET).unwrap();
    let pool = &config.pools[0];
    assert_eq!((pool.name.as_str(), pool.tag.as_str()), ("default", "/otedama/"));
    assert_eq!(pool.fee.to_string(), "0.0");
    assert_eq!(pool.listen, ["127.0.0.1:3333".parse().unwrap()]);
    assert_eq!(pool.store.to_str(), Some("data/otedama.db"));
    assert_eq!(pool.nodes, [NodeConfig::Devnet { nbits: None, maturity: 1 }]);
}

#[test]
fn the_flat_form_is_short_for_a_list() {
    let indented: String = DEVNET.lines().map(|line| format!("    {line}\n")).collect();
    let listed = format!("pools:\n  -\n{indented}");
    assert_eq!(load(&listed).unwrap().pools, load(DEVNET).unwrap().pools);
    assert_eq!(
        errors(&format!("{listed}coin: bitcoin\n")),
        "c.yaml:7: coin: this belongs to one pool: put it into the list `pools`, or leave that out"
    );
}

#[test]
fn unknown_keys_name_the_nearest() {
    let text = DEVNET.replace("algorithm:", "algoritm:").replace("address:", "adress:");
    let message = errors(&text);
    assert!(
        message.contains("c.yaml:2: algoritm: unknown key; the nearest known one is `algorithm`"),
        "{message}"
    );
    assert!(
        message.contains("c.yaml:4: pool.adress: unknown key; the nearest known one is `address`"),
        "{message}"
    );
    assert!(message.contains("c.yaml:2: algorithm: missing"), "{message}");
    assert!(message.contains("c.yaml:4: pool.address: missing"), "{message}");
}

#[test]
fn money_is_never_a_float() {
    let text = LITECOIN
        .replace("fee_percent: \"1.0\"", "fee_percent: 1.0")
        .replace("window: \"2.0\"", "window: 2e0");
    let message = errors(&text);
    assert!(message.contains("pool.fee_percent: write \"1.0\" in quotes"), "{message}");
    assert!(message.contains("pool.window: write \"2e0\" in quotes"), "{message}");
    let fee =
        |fee: &str| load(&LITECOIN.replace("\"1.0\"", fee)).map(|config| config.pools[0].fee.to_string());
    assert_eq!(fee("3").unwrap(), "3.0");
    assert_eq!(fee("'0.000001'").unwrap(), "0.000001");
    for (bad, why) in
        [("'0.0000001'", "more than 6 decimal places"), ("101", "too large"), ("-1", "in quotes")]
    {
        let message = fee(bad).unwrap_err().to_string();
        assert!(message.contains(why), "{bad}: {message}");
    }
}

#[test]
fn a_whole_fee_must_be_meant() {
    let text = LITECOIN.replace("\"1.0\"", "100");
    assert!(errors(&text).contains("pool.fee_percent: the pool would keep everything"), "{}", errors(&text));
    let text = text.replace("fee_percent", "allow_whole_fee: true, fee_percent");
    assert!(load(&text).is_ok_and(|config| config.pools[0].fee.is_whole()));
}

#[test]
fn the_environment_wins_over_the_file() {
    let set = [("OTEDAMA_STRATUM__LISTEN", "['127.0.0.1:0', '[::1]:0']"), ("OTEDAMA_POOL__SCHEME", "solo")];
    let variables = set.map(|(name, value)| (name.into(), value.into()));
    let config = Config::parse("c.yaml", DEVNET, variables, Part::All).unwrap();
    assert_eq!(config.pools[0].listen.len(), 2);
    assert_eq!(config.pools[0].scheme, SchemeConfig::Solo);
    let wrong = [("OTEDAMA_POOL__FEE".into(), "1".into())];
    let message = Config::parse("c.yaml", DEVNET, wrong, Part::All).unwrap_err().to_string();
    assert_eq!(
        message,
        "environment OTEDAMA_POOL__FEE: pool.fee: unknown key; the nearest known one is `fee_percent`"
    );
}

#[test]
fn coins_algorithms_and_nodes_must_fit() {
    for (from, to, message) in [
        ("coin: litecoin", "algorithm: scrypt", "an algorithm alone goes only with a node of kind devnet"),
        ("coin: litecoin", "coin: litecoin\nalgorithm: sha256d", "litecoin is mined with scrypt"),
        ("coin: litecoin", "coin: monero", "`monero` is not in this version"),
        ("coin: litecoin", "coin: Litecoin", "`Litecoin` is no known coin"),
        ("coin: litecoin", "", "coin: missing"),
        ("kind: bitcoind", "kind: monerod", "nodes of kind monerod are not in this version"),
        ("kind: bitcoind", "kind: bitcoin", "unknown kind"),
        ("http://", "https://", "asks for TLS"),
        ("http://", "http://u:p@", "a name or password is in the address"),
        (":9332\"", ":0\"", "is not an address of the form http://HOST:PORT"),
        (":9332\"", ":9332/x\"", "is not an address of the form http://HOST:PORT"),
        (":9332", "", "is not an address of the form http://HOST:PORT"),
        ("user: u, ", "", "a node is given `user` and `password`, or `cookie`"),
        ("password: p", "password: p, cookie: f", "a node is given `user` and `password`, or `cookie`"),
        ("scheme: pplns", "scheme: prop", "unknown scheme"),
        ("scheme: pplns", "scheme: solo", "a window goes with `scheme: pplns` only"),
        ("window: \"2.0\"", "window: 0", "a window of nothing pays nobody"),
        ("name: default", "name: My pool", "`My pool` is no name"),
        ("tag: \"/otedama/\"", "tag: \"été\"", "is no tag"),
        ("127.0.0.1:3333", "localhost:3333", "`localhost:3333` is not IP:PORT"),
        ("[\"127.0.0.1:3333\"]", "[]", "at least one listener is needed"),
        ("start: auto", "start: -1", "`-1` is not a number above 0"),
        ("shares_per_minute: 12", "shares_per_minute: many", "`many` is not a number above 0"),
        ("shares_per_minute: 12", "shares_per_minute: 0.01", "from 0.1 to 600"),
        ("store: {", "store: { pat: x,", "the nearest known one is `path`"),
    ] {
        let text = LITECOIN.replace(from, to);
        assert_ne!(text, LITECOIN, "{from}");
        assert!(errors(&text).contains(message), "{to}: {}", errors(&text));
    }
    let secret = errors(&LITECOIN.replace("http://", "http://name:secret@"));
    assert!(!secret.contains("secret"), "{secret}");
    let main = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    for (text, message) in [
        (
            LITECOIN.replace("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", main),
            "an address of bitcoin, not of litecoin",
        ),
        (LITECOIN.replace("LVg2kJoFNg45", "LVg2kJoFNg46"), "wrong checksum"),
        (DEVNET.replace("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", main), "this is a main-net address"),
    ] {
        assert!(errors(&text).contains(message), "{}", errors(&text));
    }
    let message = errors(&DEVNET.replace("algorithm: scrypt", "coin: bitcoin"));
    assert!(message.contains("a devnet has no coin"), "{message}");
    let message =
        errors(&DEVNET.replace("{ kind: devnet }", "{ kind: devnet }, { kind: devnet, nbits: 00000000 }"));
    assert!(message.contains("nodes[1].nbits: `00000000` means no target"), "{message}");
}

#[test]
fn a_start_difficulty_is_a_target() {
    let text = LITECOIN.replace("start: auto", "start: 0.5");
    let expected = otedama_core::Difficulty::from_f64(Algorithm::SCRYPT, 0.5).unwrap().target();
    assert_eq!(load(&text).unwrap().pools[0].vardiff.start, Some(expected));
}

#[test]
fn pools_of_one_process_share_nothing() {
    let one = DEVNET
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("    {line}\n"))
        .collect::<String>();
    let message = errors(&format!("pools:\n  -\n{one}  -\n{one}"));
    for part in ["name default too", "data/otedama.db too", "127.0.0.1:3333 is listened on twice"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_miner_is_configured_alone() {
    let text = "mine: { urls: [\"stratum+tcp://127.0.0.1:3333\"], user: a.b, pass: x, threads: 2, algorithm: scrypt }";
    let config = load(text).unwrap();
    assert!(config.pools.is_empty());
    assert_eq!((config.mine.urls.len(), config.mine.threads), (1, Some(2)));
    assert_eq!(config.mine.algorithm, Some(Algorithm::SCRYPT));
    let half = format!("pool: {{ name: 7! }}\n{text}");
    assert!(load(&half).is_err());
    assert_eq!(Config::parse("c.yaml", &half, [], Part::Mine).unwrap().mine, config.mine);
    assert!(Config::parse("c.yaml", "mein: {}", [], Part::Mine).is_err());
    assert!(errors("mine: { threads: 0 }").contains("at least one thread"));
    assert!(errors("mine: { algorithm: x11 }").contains("known: sha256d, scrypt"));
    assert!(
        errors("mine: { algorithm: blake3-decred }")
            .contains("`blake3-decred` is hashed, scanned and measured")
    );
    let devnet = "nodes: [{ kind: devnet }]\nalgorithm: blake3-alephium";
    assert!(errors(devnet).contains("neither served nor mined on a pool; known: sha256d, scrypt"));
}

#[test]
fn nothing_at_all_is_no_pool() {
    let config = load("").unwrap();
    assert!(config.pools.is_empty() && config.mine == MineConfig::default());
    assert!(errors("[1, 2]").contains("c.yaml:1: a mapping expected, a list found"));
    assert!(errors("a: [").starts_with("c.yaml:"));
}

#[test]
fn where_and_how_threads_run_is_read() {
    use otedama_gpu::cpu::Priority;

    let mine = |text: &str| load(&format!("mine: {{ {text} }}")).map(|config| config.mine);
    let affinity = |text: &str| mine(&format!("affinity: {text}")).unwrap().affinity;
    assert_eq!(affinity("auto"), Some(Affinity::Auto));
    for text in ["[0, 2]", "'0,2'", "'0, 2'"] {
        assert_eq!(affinity(text), Some(Affinity::Listed(vec![0, 2])), "{text}");
    }
    assert_eq!(affinity("3"), Some(Affinity::Listed(vec![3])));
    assert_eq!(mine("priority: low").unwrap().priority, Some(Priority::Low));
    assert_eq!(mine("user: a").map(|mine| (mine.affinity, mine.priority)), Ok((None, None)));
    let variables = [("OTEDAMA_MINE__AFFINITY", "[1]"), ("OTEDAMA_MINE__PRIORITY", "idle")];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let over = Config::parse("c.yaml", "mine: { affinity: auto }", variables, Part::Mine).unwrap().mine;
    let expected = (Some(Affinity::Listed(vec![1])), Some(Priority::Idle));
    assert_eq!((over.affinity, over.priority), expected);
    for (wrong, why) in [
        ("affinity: []", "mine.affinity: a list of processors needs at least one"),
        ("affinity: [a]", "mine.affinity[0]: `a` is not a whole number"),
        ("affinity: '0,'", "mine.affinity: `0,` is neither auto nor a list"),
        ("priority: urgent", "mine.priority: `urgent` is no priority; known: idle, low, normal, high"),
        ("afinity: auto", "mine.afinity: unknown key; the nearest known one is `affinity`"),
    ] {
        let message = errors(&format!("mine: {{ {wrong} }}"));
        assert!(message.contains(why), "{wrong}: {message}");
    }
}

#[cfg(feature = "noise")]
#[test]
fn providers_of_templates_are_nodes_and_pools_may_be_providers() {
    let url = "stratum2+tcp://127.0.0.1:8442/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
    let node =
        |more: &str| format!("coin: bitcoin\nnodes: [{{ kind: sv2-template, url: \"{url}\"{more} }}]\n");
    let pool = "pool: { address: bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 }\n";
    let config = load(&format!("{}{pool}", node(""))).unwrap();
    let expected = |chain| NodeConfig::Sv2Template { url: url.into(), chain };
    assert_eq!(config.pools[0].nodes, [expected(otedama_pool::Chain::Main)]);
    assert_eq!(config.providers[0].listen, ["127.0.0.1:8442".parse().unwrap()]);
    let alone = format!("{}template_provider: {{ listen: ['[::1]:1'] }}\n", node(", chain: signet"));
    let config = load(&alone).unwrap();
    assert!(config.pools.is_empty());
    assert_eq!(config.providers[0].nodes, [expected(otedama_pool::Chain::Signet)]);
    assert_eq!(config.providers[0].listen, ["[::1]:1".parse().unwrap()]);
    assert!(errors(&node("")).contains("pool: missing"));
    assert!(errors(&alone.replace("signet", "moon")).contains("is no known chain"));
    assert!(errors(&alone.replace("['[::1]:1']", "[]")).contains("at least one listener is needed"));
}
