//! Every kernel of this CPU, and the baseline beside it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use otedama_benches::baseline::{self, Baseline};
use otedama_core::{Algorithm, Target, Work};
use otedama_hash::{Kernel, NonceRange, Stop};

/// Hashes in one measurement.
fn batch(algorithm: Algorithm) -> u64 {
    if algorithm == Algorithm::SCRYPT { 16 } else { 16_384 }
}

fn kernels(criterion: &mut Criterion) {
    for Baseline { algorithm, hash, .. } in baseline::ALL {
        let header = baseline::header(algorithm);
        let mut group = criterion.benchmark_group(algorithm.name());
        let count = batch(algorithm);
        group.throughput(Throughput::Elements(count));
        for kernel in Kernel::available(algorithm) {
            let (mut scanner, mut found) = (kernel.scanner(), Vec::new());
            let work = Work::new(algorithm, header, Target::ZERO);
            group.bench_function(BenchmarkId::new("scan", kernel.name()), |bench| {
                bench.iter(|| scanner.scan(&work, NonceRange::new(0, count), &Stop::new(), &mut found));
            });
        }
        group.bench_function("baseline", |bench| {
            bench.iter(|| {
                for nonce in 0..count {
                    black_box(hash(header.with_nonce(algorithm, nonce).as_bytes()));
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
