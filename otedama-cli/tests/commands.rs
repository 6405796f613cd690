//! What each short command prints, and how it ends.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Run, otedama, run, run_with_input};

/// The first block of Bitcoin.
const GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e\
                       67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";
const GENESIS_NONCE: u32 = 2_083_236_893;
const GENESIS_DIGEST: &str = "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000";

fn done(run: &Run, stdout: &str) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), stdout), "{}", run.stderr);
}

fn refused(run: &Run, code: i32, part: &str) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{}", run.stderr);
    assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
}

#[test]
fn version_is_one_line() {
    done(&run(&["version"]), &format!("otedama {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_suffices() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for part in ["hash", "scan", "bench", "config", "version", "Exit codes:", "Examples:", "--log-level"] {
        assert!(help.stdout.contains(part), "{part}");
    }
    refused(&run(&[]), 2, "Usage:");
    refused(&run(&["mien"]), 2, "unrecognized subcommand");
    refused(&run(&["version", "--log-level", "loud=very"]), 2, "is no log level");
}

#[test]
fn hash_prints_the_digest_as_written() {
    done(&run(&["hash", "sha256d", GENESIS]), &format!("{GENESIS_DIGEST}\n"));
    for input in [format!("{GENESIS}\n"), format!("{GENESIS}\r\n"), GENESIS.to_uppercase()] {
        done(&run_with_input(&["hash", "sha256d", "-"], &input), &format!("{GENESIS_DIGEST}\n"));
    }
    // Litecoin's block 29,255, the usual example of a scrypt proof of work.
    let litecoin = "01000000f615f7ce3b4fc6b8f61e8f89aedb1d0852507650533a9e3b10b9bbcc30639f279fcaa86746e1ef52d3edb3c4\
                    ad8259920d509bd073605c9bf1d59983752a6b06b817bb4ea78e011d012d59d4";
    let digest = "d9eb8663ffec241c2fb118adb7de97a82c803b6ff46d57667935c81001000000\n";
    done(&run(&["hash", "scrypt", litecoin]), digest);
}

/// Block 1 of Ethereum, and a header of Ravencoin's own tests.
#[test]
fn hash_computes_ethash_and_kawpow_for_a_height() {
    let header = "85913a3057ea8bec78cd916871ca73802e77724e014dda65add3405d02240eb7";
    let of = |more: &[&str]| run(&[&["hash", "ethash", header], more].concat());
    done(
        &of(&["--nonce", "539bd4979fef1ec4", "--height", "1"]),
        "000000002bc095dd4de049873e6302c3f14a7f2e5b5a1f60cdf1f1798164d610 \
         969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59\n",
    );
    refused(&of(&["--height", "1"]), 2, "ethash needs --nonce");
    refused(&of(&["--nonce", "00"]), 2, "ethash needs --height");
    refused(&of(&["--nonce", "0", "--height", "1"]), 2, "--nonce");
    refused(&of(&["--nonce", "000000000000000000", "--height", "1"]), 2, "1 to 8 bytes, not 9");
    refused(&of(&["--nonce", "00", "--height", "1099511627776"]), 2, "beyond epoch 2047");
    refused(&run(&["hash", "sha256d", GENESIS, "--height", "1"]), 2, "do not go with sha256d");
    let kawpow = run(&["hash", "kawpow", &"00".repeat(32), "--nonce", "0000000000000000", "--height", "0"]);
    done(
        &kawpow,
        "e601a7257a70dc48fccc97a7330d704d776047623b92883d77111fb36870f3d1 \
         6e97b47b134fda0c7888802988e1a373affeb28bcd813b6e9a0fc669c935d03a\n",
    );
}

/// Nonce 395 of a search of Ravencoin's own tests.
#[test]
fn scan_finds_nonces_of_a_height() {
    let header = "00".repeat(40);
    let target = format!("00{}", "f".repeat(62));
    let range = ["--target", &target, "--start", "393", "--count", "4"];
    let scan = |more: &[&str]| run(&[&["scan", "kawpow", &header], &range[..], more].concat());
    done(&scan(&["--height", "0", "--kernel", "light"]), "395\n");
    refused(&scan(&["--height", "0", "--kernel", "avx2"]), 2, "known: full, light");
    refused(&scan(&["--height", "18446744073709551615"]), 2, "beyond epoch 2047");
}

/// The first vector of the reference library, a block of Monero, and what is refused.
#[cfg(feature = "randomx")]
#[test]
fn hash_computes_randomx_for_a_seed() {
    let (key, input) = ("74657374206b657920303030", "5468697320697320612074657374");
    let digest = "639183aae1bf4c9a35884cb46b09cad9175f04efd7684e7262a0ac1c2f0b4e3f\n";
    done(&run(&["hash", "randomx", input, "--seed", key]), digest);
    done(&run_with_input(&["hash", "randomx", "-", "--seed", key], &format!("{input}\n")), digest);
    refused(&run(&["hash", "randomx", input]), 2, "randomx needs --seed");
    refused(&run(&["hash", "randomx", input, "--seed", "0"]), 2, "--seed");
    refused(&run(&["hash", "randomx", input, "--seed", &"00".repeat(61)]), 2, "at most 60 bytes, not 61");
    refused(
        &run(&["hash", "randomx", &"00".repeat(129), "--seed", key]),
        2,
        "at most 128 bytes are hashed, not 129",
    );
    refused(&run(&["hash", "sha256d", GENESIS, "--seed", key]), 2, "sha256d has no tables");
}

#[test]
fn hash_takes_strict_hex_of_one_header_only() {
    for (hex, why) in [
        ("00", "80 bytes, not 1"),
        ("0", "odd length"),
        ("zz", "not a hex digit"),
        (&format!("0x{}", &GENESIS[2..]), "not a hex digit"),
        (&format!("{GENESIS}00"), "80 bytes, not 81"),
        (&format!(" {}", &GENESIS[1..]), "not a hex digit"),
    ] {
        refused(&run(&["hash", "sha256d", hex]), 2, why);
        refused(&run_with_input(&["hash", "sha256d", "-"], hex), 2, why);
    }
    refused(&run_with_input(&["hash", "sha256d", "-"], &format!("{GENESIS}\n\n")), 2, "odd length");
    refused(&run_with_input(&["hash", "sha256d", "-"], &"0".repeat(1 << 20)), 2, "80 bytes, not 88");
    refused(&run(&["hash", "x11", GENESIS]), 2, "known: sha256d, scrypt, blake3-decred");
}

#[test]
fn scan_finds_the_nonce_of_a_real_block() {
    let target = "00000000ffff0000000000000000000000000000000000000000000000000000";
    let any_nonce = format!("{}00000000", &GENESIS[..152]);
    let start = (GENESIS_NONCE - 1000).to_string();
    let scan = |kernel: &[&str]| {
        let range = ["scan", "sha256d", &any_nonce, "--target", target, "--start", &start, "--count", "2000"];
        run(&[&range, kernel].concat())
    };
    done(&scan(&[]), &format!("{GENESIS_NONCE}\n"));
    done(&scan(&["--kernel", "portable"]), &format!("{GENESIS_NONCE}\n"));
    refused(&scan(&["--kernel", "magic"]), 2, "portable");
}

/// Lines of `otedama-hash/vectors/blake3.json`: dcrd's dummy header with a share of 12 zero bits, a job of the
/// Alephium node's test solved for 8 zero bits and its chain, and BLAKE3's own first vector.
#[test]
fn blake3_is_hashed_and_scanned() {
    let file = include_str!("../../otedama-hash/vectors/blake3.json");
    let vectors: Value = serde_json::from_str(file).unwrap();
    let vector = |name: &str| {
        vectors["vectors"].as_array().unwrap().iter().find(|vector| vector["name"] == name).unwrap().clone()
    };
    let digest = |vector: &Value| format!("{}\n", vector["pow_hash_hex"].as_str().unwrap());
    let empty = vector("official-len0");
    done(&run(&["hash", "blake3", ""]), &digest(&empty));
    done(&run_with_input(&["hash", "blake3", "-"], "\n"), &digest(&empty));
    let long = vector("official-len2049");
    let bytes: String = (0..2049).map(|at| format!("{:02x}", at % 251)).collect();
    done(&run_with_input(&["hash", "blake3", "-"], &bytes), &digest(&long));

    let decred = vector("decred-synthetic-share-12bits");
    let header = decred["header_hex"].as_str().unwrap();
    done(&run(&["hash", "blake3-decred", header]), &digest(&decred));
    refused(&run(&["hash", "blake3-decred", GENESIS]), 2, "180 bytes, not 80");
    let target = decred["share_target_hex_be"].as_str().unwrap();
    let range = ["--target", target, "--start", "0", "--count", "4000"];
    done(&run(&[&["scan", "blake3-decred", header], &range[..]].concat()), "2858\n");

    let alephium = vector("alephium-job-10-solved8");
    let header = alephium["input_hex"].as_str().unwrap();
    done(&run(&["hash", "blake3-alephium", header]), &digest(&alephium));
    refused(&run(&["hash", "blake3-alephium", GENESIS]), 2, "134 to 326 bytes, not 80");
    let target = format!("00{}", "f".repeat(62));
    let scan = |more: &[&str]| {
        let range =
            ["scan", "blake3-alephium", header, "--target", &target, "--start", "0", "--count", "2276"];
        run(&[&range, more].concat())
    };
    done(&scan(&["--chain", "2,2"]), "2275\n");
    let any = scan(&[]);
    assert!(any.stdout.lines().count() > 1 && any.stdout.ends_with("\n2275\n"), "{}", any.stdout);
    refused(&scan(&["--chain", "2,4"]), 2, "two groups of 4");
    refused(
        &run(&[
            "scan", "sha256d", GENESIS, "--target", &target, "--start", "0", "--count", "1", "--chain", "0,0",
        ]),
        2,
        "only with",
    );
    refused(&run(&["mine", "--algorithm", "blake3-decred"]), 2, "neither served nor mined on a pool");
}

#[test]
fn scan_wraps_and_ascends() {
    let scan = |start: &str, count: &str, target: &str| {
        run(&["scan", "sha256d", GENESIS, "--target", target, "--start", start, "--count", count])
    };
    let all = "f".repeat(64);
    done(&scan("4294967294", "5", &all), "0\n1\n2\n4294967294\n4294967295\n");
    done(&scan("7", "0", &all), "");
    done(&scan("7", "1000", &"0".repeat(64)), "");
    refused(&scan("x", "1", &all), 2, "invalid");
    refused(&scan("0", "1", "ff"), 2, "invalid value");
}

/// What a scan finds is what `hash` says of each header; kernels have names, and tables a seed.
#[cfg(feature = "randomx")]
#[test]
fn scan_searches_with_the_tables_of_a_seed() {
    let (seed, target) = ("5a".repeat(32), format!("3f{}", "f".repeat(62)));
    let header = |nonce: u8| format!("{}{nonce:02x}000000{}", "11".repeat(39), "22".repeat(33));
    let scan = |more: &[&str]| {
        let range = ["--target", &target, "--start", "0", "--count", "6"];
        run(&[&["scan", "randomx", &header(9)], &range[..], more].concat())
    };
    let mut expected = String::new();
    for nonce in 0..6 {
        let hash = run(&["hash", "randomx", &header(nonce), "--seed", &seed]).stdout;
        if u8::from_str_radix(&hash[62..64], 16).unwrap() <= 0x3f {
            expected.push_str(&format!("{nonce}\n"));
        }
    }
    done(&scan(&["--seed", &seed]), &expected);
    done(&scan(&["--seed", &seed, "--kernel", "light"]), &expected);
    refused(
        &scan(&["--seed", &seed, "--kernel", "avx2"]),
        2,
        "no kernel \"avx2\" for randomx; known: fast, light",
    );
    refused(&scan(&[]), 2, "randomx needs --seed");
    refused(&scan(&["--seed", "5a"]), 2, "--seed");
    let range = ["--target", &target, "--start", "0", "--count", "1", "--seed", &seed];
    refused(&run(&[&["scan", "sha256d", GENESIS], &range[..]].concat()), 2, "sha256d has no tables");
}

#[test]
fn scan_ends_quietly_when_nobody_reads() {
    let target = "f".repeat(64);
    let args = ["scan", "sha256d", GENESIS, "--target", &target, "--start", "0", "--count", "4294967296"];
    let mut child = otedama(&args).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// The names in a message that lists what is known.
fn known_kernels(algorithm: &str) -> Vec<String> {
    let unknown = run(&["bench", algorithm, "--kernel", "magic"]);
    refused(&unknown, 2, "no kernel \"magic\"");
    let names = unknown.stderr.trim().rsplit_once("known: ").unwrap().1;
    names.split(", ").map(str::to_owned).collect()
}

#[test]
fn bench_measures_and_checks_every_kernel() {
    let bench = run(&["bench", "sha256d", "--threads", "2", "--seconds", "1", "--json"]);
    assert_eq!(bench.code, Some(0), "{}", bench.stderr);
    let lines: Vec<Value> = bench.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert_eq!((&line["algorithm"], &line["threads"]), (&"sha256d".into(), &2.into()));
        let (seconds, hashes) = (line["seconds"].as_f64().unwrap(), line["hashes"].as_f64().unwrap());
        assert!(seconds >= 1.0 && hashes > 0.0, "{line}");
        assert!((line["rate"].as_f64().unwrap() / (hashes / seconds) - 1.0).abs() < 1e-9, "{line}");
        assert_eq!(line["checksum"].as_str().unwrap().len(), 64);
        assert_eq!(line["checksum"], lines[0]["checksum"], "{line}");
        assert!(line["pages"].is_null(), "it works in registers: {line}");
        assert!(!cfg!(target_os = "linux") || line["peak_memory"].as_u64() > Some(1 << 20), "{line}");
    }
    let rate = |line: &&Value| line["rate"].as_f64().unwrap();
    let fastest: Vec<_> = lines.iter().filter(|line| line["fastest"] == true).collect();
    assert_eq!(fastest.len(), 1);
    assert!(lines.iter().all(|line| rate(&line) <= rate(&fastest[0])));
    let known = known_kernels("sha256d");
    let measured: Vec<_> = lines.iter().map(|line| line["kernel"].as_str().unwrap().to_owned()).collect();
    assert!(measured.iter().all(|name| known.contains(name)), "{measured:?} {known:?}");
    assert_eq!(measured.last().map(String::as_str), Some("portable"));
    refused(&run(&["bench", "--threads", "0"]), 2, "threads");
    refused(&run(&["bench", "--seconds", "0"]), 2, "seconds");
    refused(&run(&["bench", "--kernel", "portable"]), 2, "ALGORITHM");
}

#[test]
fn bench_says_how_far_it_is_if_it_takes_long() {
    let bench = run(&["bench", "scrypt", "--kernel", "portable", "--threads", "1", "--seconds", "3"]);
    assert_eq!((bench.code, bench.stdout.lines().count()), (Some(0), 1), "{}", bench.stderr);
    assert!(bench.stdout.starts_with("scrypt portable: "), "{}", bench.stdout);
    for part in [" on 1 thread, the fastest (", ", small pages, peak memory ", ", checksum "] {
        assert!(bench.stdout.contains(part), "{part}: {}", bench.stdout);
    }
    for part in ["scrypt/portable: 1 of 1, 3 s", "scrypt/portable: 2 of 3 s"] {
        assert!(bench.stderr.contains(part), "{part}: {}", bench.stderr);
    }
}

#[test]
fn bench_without_an_algorithm_measures_all() {
    let bench = run(&["bench", "--threads", "1", "--seconds", "1"]);
    let mut names: Vec<_> = bench.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    names.dedup();
    let kernels = ["sha256d", "scrypt", "blake3-decred", "blake3-alephium"];
    let randomx = if cfg!(feature = "randomx") { &["randomx"][..] } else { &[] };
    let tables = ["ethash", "etchash", "kawpow"];
    assert_eq!((bench.code, names), (Some(0), [&kernels[..], &tables, randomx].concat()), "{}", bench.stderr);
    for name in kernels {
        let name = format!("{name} ");
        let fastest =
            bench.stdout.lines().filter(|line| line.starts_with(&name) && line.contains(", the fastest"));
        assert_eq!(fastest.count(), 1, "{}", bench.stdout);
    }
}

/// Every name that is known searches rightly, or says that this processor lacks what it needs.
#[test]
fn scan_reaches_every_kernel_by_name() {
    let target = "00000000ffff0000000000000000000000000000000000000000000000000000";
    let start = (GENESIS_NONCE - 100).to_string();
    for name in known_kernels("sha256d") {
        let range = ["--target", target, "--start", &start, "--count", "200", "--kernel", &name];
        let scan = run(&[&["scan", "sha256d", GENESIS], &range[..]].concat());
        if scan.code == Some(0) {
            done(&scan, &format!("{GENESIS_NONCE}\n"));
        } else {
            refused(&scan, 2, &format!("this CPU cannot run the kernel \"{name}\""));
        }
    }
}

const DEVNET: &str = "algorithm: scrypt\nnodes: [{ kind: devnet }]\n\
                      pool: { address: bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080 }\n";

#[test]
fn config_validate_reads_a_file_or_standard_input() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), DEVNET).unwrap();
    let expected = "valid: pool default on devnet with scrypt\n";
    done(&run(&["config", "validate", file.path().to_str().unwrap()]), expected);
    done(&run_with_input(&["config", "validate", "-"], DEVNET), expected);
    done(&run_with_input(&["config", "validate", "-"], "mine: { user: a }"), "valid: miner\n");
}

#[test]
fn config_validate_says_what_is_wrong_and_where() {
    let wrong = DEVNET.replace("address", "adress");
    let validate = run_with_input(&["config", "validate", "-"], &wrong);
    refused(&validate, 2, "standard input:3: pool.adress: unknown key; the nearest known one is `address`");
    refused(&validate, 2, "pool.address: missing");
    refused(&run_with_input(&["config", "validate", "-"], ""), 2, "neither a pool nor a miner");
    refused(&run(&["config", "validate", "/no/such/file"]), 2, "/no/such/file: cannot be read");
}

#[test]
fn the_environment_is_over_the_file() {
    let validate = |name: &str, value: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), DEVNET).unwrap();
        let mut command = otedama(&["config", "validate", file.path().to_str().unwrap()]);
        support::ended(command.env(name, value).output().unwrap())
    };
    done(&validate("OTEDAMA_POOL__NAME", "other"), "valid: pool other on devnet with scrypt\n");
    done(&validate("OTEDAMA_LOG", "debug"), "valid: pool default on devnet with scrypt\n");
    refused(
        &validate("OTEDAMA_POOL__NAEM", "x"),
        2,
        "environment OTEDAMA_POOL__NAEM: pool.naem: unknown key",
    );
    refused(&validate("OTEDAMA_POOL__FEE_PERCENT", "1.5"), 2, "write \"1.5\" in quotes");
}

#[test]
fn chaos_counts_what_happened_and_shrinks_what_breaks() {
    let good = run(&["chaos", "--seed", "1", "--seeds", "3", "--hours", "0.02", "--json"]);
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    let sum: serde_json::Value = serde_json::from_str(&good.stdout).unwrap();
    assert_eq!((&sum["seeds"], &sum["broken"]), (&3.into(), &0.into()));
    assert!(sum["accepted"].as_u64() > Some(0) && sum["effects"].as_u64() > Some(100), "{sum}");
    let again = run(&["chaos", "--seed", "1", "--seeds", "3", "--hours", "0.02", "--json", "--threads", "1"]);
    assert_eq!(good.stdout, again.stdout, "a seed is a run, on however many threads");

    let args = ["chaos", "--seed", "0", "--hours", "0.05", "--bug", "never-syncs"];
    let bad = run(&args);
    assert_eq!(bad.code, Some(1));
    assert!(bad.stdout.contains("seed 0: broken: accepted means durable"), "{}", bad.stdout);
    assert!(bad.stdout.contains("Crash"), "the action that it takes: {}", bad.stdout);
    assert_eq!(run(&args).stdout, bad.stdout);
    for wrong in
        [["--hours", "0"], ["--hours", "1e3"], ["--hours", "-1"], ["--bug", "none"], ["--seeds", "0"]]
    {
        assert_eq!(run(&["chaos", wrong[0], wrong[1]]).code, Some(2), "{wrong:?}");
    }
}

/// What is printed is a pair, in the forms that URLs and configurations have, and each time another one.
#[cfg(feature = "noise")]
#[test]
fn keys_generate_prints_a_new_pair() {
    use otedama_stratum::noise::{AuthorityKey, AuthoritySecret};

    let pair = |public: &str, secret: &str| {
        let secret: AuthoritySecret = secret.parse().unwrap();
        assert_eq!(public.parse::<AuthorityKey>(), Ok(secret.public()));
        secret.public()
    };
    let text = run(&["keys", "generate"]);
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = text.stdout.lines().collect();
    let [public, secret] = lines[..] else { panic!("{} lines", lines.len()) };
    let one = pair(public.strip_prefix("public ").unwrap(), secret.strip_prefix("secret ").unwrap());

    let json = run(&["keys", "generate", "--json"]);
    assert_eq!((json.code, json.stdout.lines().count()), (Some(0), 1));
    let keys: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(keys.as_object().map(|keys| keys.len()), Some(2));
    let other = pair(keys["public"].as_str().unwrap(), keys["secret"].as_str().unwrap());
    assert_ne!(one, other);
    refused(&run(&["keys"]), 2, "Usage:");
    refused(&run(&["keys", "generate", "x"]), 2, "unexpected argument");
    let help = run(&["keys", "generate", "--help"]);
    assert!(help.stdout.contains("stratum2+tcp://HOST:PORT/KEY"), "{}", help.stdout);
}
