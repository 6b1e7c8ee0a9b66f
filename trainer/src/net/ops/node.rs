//! Nodes of candle's graph whose values are computed outside of its operators.
//!
//! candle's operators traverse memory once for each step, and once or twice more in the backward pass. Here, a whole
//! chain of steps becomes one node: its value is computed first, and then added to the graph with a closure for the
//! backward pass.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Device, Error, Layout, Result, Shape, Storage, Tensor,
};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError, RwLockReadGuard};

/// Adds a finished value to the graph as a function of `args`.
///
/// `backward` gets the contiguous gradient of the value and returns the gradients of the arguments. It must return one
/// for each argument that depends on a variable.
pub(super) fn node<const N: usize>(
    args: [&Tensor; N],
    value: Vec<f32>,
    shape: impl Into<Shape>,
    backward: impl Fn(&Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync + 'static,
) -> Result<Tensor>
where
    Node<N>: Enter<N>,
{
    let shape = shape.into();
    if !args.iter().any(|arg| arg.track_op()) {
        return Tensor::from_vec(value, shape, &Device::Cpu);
    }
    let value = Mutex::new(Some((CpuStorage::F32(value), shape)));
    Node { value, backward: Box::new(backward) }.enter(args)
}

type Backward<const N: usize> = dyn Fn(&Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync;

pub(super) struct Node<const N: usize> {
    value: Mutex<Option<(CpuStorage, Shape)>>,
    backward: Box<Backward<N>>,
}

/// Adds a node with `N` arguments to the graph.
pub(super) trait Enter<const N: usize> {
    fn enter(self, args: [&Tensor; N]) -> Result<Tensor>;
}

impl<const N: usize> Node<N> {
    fn take(&self) -> Result<(CpuStorage, Shape)> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        value.take().ok_or_else(|| Error::Msg("the value of a node was taken twice".into()))
    }

    fn back(&self, gradient: &Tensor) -> Result<[Option<Tensor>; N]> {
        (self.backward)(&gradient.contiguous()?)
    }
}

impl Enter<1> for Node<1> {
    fn enter(self, [a]: [&Tensor; 1]) -> Result<Tensor> {
        a.apply_op1(self)
    }
}

impl CustomOp1 for Node<1> {
    fn name(&self) -> &'static str {
        "node1"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.back(gradient)?;
        Ok(a)
    }
}

impl Enter<2> for Node<2> {
    fn enter(self, [a, b]: [&Tensor; 2]) -> Result<Tensor> {
        a.apply_op2(b, self)
    }
}

impl CustomOp2 for Node<2> {
    fn name(&self) -> &'static str {
        "node2"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = self.back(gradient)?;
        Ok((a, b))
    }
}

impl Enter<3> for Node<3> {
    fn enter(self, [a, b, c]: [&Tensor; 3]) -> Result<Tensor> {
        a.apply_op3(b, c, self)
    }
}

impl CustomOp3 for Node<3> {
    fn name(&self) -> &'static str {
        "node3"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = self.back(gradient)?;
        Ok((a, b, c))
    }
}

/// The values of a contiguous tensor on the processor.
pub(super) struct Floats<'a> {
    storage: RwLockReadGuard<'a, Storage>,
    start: usize,
    end: usize,
}

/// Borrows the values of a tensor in row-major order.
pub(super) fn floats(tensor: &Tensor) -> Result<Floats<'_>> {
    let (storage, layout) = tensor.storage_and_layout();
    let (start, end) =
        layout.contiguous_offsets().ok_or_else(|| Error::Msg("the tensor is not contiguous".into()))?;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(all)) if end <= all.len() => Ok(Floats { storage, start, end }),
        _ => Err(Error::Msg("the tensor does not hold floats on the processor".into())),
    }
}

impl Deref for Floats<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(all)) => &all[self.start..self.end],
            _ => &[],
        }
    }
}

/// The product of [M, K] and [K, N], each of which may be transposed or a part of a larger tensor: [M, N].
pub(super) fn product(a: &Tensor, b: &Tensor) -> Result<Vec<f32>> {
    let ((m, k), (_, n)) = (a.dims2()?, b.dims2()?);
    let ((left, left_layout), (right, right_layout)) = (a.storage_and_layout(), b.storage_and_layout());
    match (&*left, &*right) {
        (Storage::Cpu(left), Storage::Cpu(right)) => {
            match left.matmul(right, (1, m, n, k), left_layout, right_layout)? {
                CpuStorage::F32(values) => Ok(values),
                _ => Err(Error::Msg("the product does not hold floats".into())),
            }
        }
        _ => Err(Error::Msg("the tensors of a product are not on the processor".into())),
    }
}

/// Creates a tensor on the processor without copying the values.
pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}
