//! A V1 share on the server: line in, answer out; and the hashing in it alone.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use otedama_benches::submit::{Submits, hashing_alone};

/// Shares in one measurement.
const SHARES: u64 = 1024;

fn submit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("v1-submit");
    group.throughput(Throughput::Elements(SHARES));
    let mut submits = Submits::new();
    group.bench_function("whole", |bench| bench.iter(|| submits.run(SHARES)));
    group.bench_function("hashing", |bench| bench.iter(|| hashing_alone(SHARES)));
    group.finish();
}

criterion_group!(benches, submit);
criterion_main!(benches);
