//! x86-64: 16-bit pair products in vectors of 128, 256 and 512 bits.

mod avx2;
mod avx512;
mod sse41;

use super::instantiate::instantiate;

instantiate!(sse41_kernels, super::sse41::Sse41, "sse4.1");
instantiate!(avx2_kernels, super::avx2::Avx2<false>, "avx2");
instantiate!(avxvnni_kernels, super::avx2::Avx2<true>, "avx2,avxvnni");
instantiate!(avx512bw_kernels, super::avx512::Avx512<false>, "avx512f,avx512bw,avx512vl");
instantiate!(avx512_kernels, super::avx512::Avx512<true>, "avx512f,avx512bw,avx512vl,avx512vnni");
