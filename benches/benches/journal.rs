//! Durable shares in group commit, for batches of several sizes.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use otedama_benches::journal::Appends;

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    for batch in [64, 512, 1024, 4096] {
        let mut appends = Appends::new(batch).expect("a journal in the folder for temporary files");
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::new("append", batch), |bench| {
            bench.iter(|| appends.append().expect("a batch of new shares"));
        });
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
