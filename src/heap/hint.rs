//! What the compiler is told of branches, so that the common way is the straight one.

/// The condition, which mostly holds.
#[inline(always)]
pub fn likely(condition: bool) -> bool {
    if !condition {
        cold();
    }
    condition
}

#[cold]
#[inline(always)]
fn cold() {}
