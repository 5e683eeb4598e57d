//! Functions on ARRAY. Those that take functions (`array_map(x -> …, a)`) are calls of these and of the engine's own over what
//! the function gives, see `rewrite::lambdas`.

pub(super) mod looking;
mod making;
mod numbers;
mod sorting;
mod vectors;

use super::typed::Typed;

pub(super) fn functions() -> Vec<Typed> {
    let mut all = looking::functions();
    all.extend(making::functions());
    all.extend(numbers::functions());
    all.extend(sorting::functions());
    all.extend(vectors::functions());
    all
}
