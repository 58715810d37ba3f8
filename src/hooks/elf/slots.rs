//! The words of an object that hold the address of a function from elsewhere. Decides which are to change, and changes them.

use std::sync::atomic::{AtomicUsize, Ordering};

use libc::Elf64_Rela as Relocation;

use super::image::Image;
use super::pages;
use super::{Aim, Hook, Look};

/// Kinds of relocation: a function called, its address in the table of addresses, its address anywhere.
#[cfg(target_arch = "x86_64")]
const KINDS: [u32; 3] = [7, 6, 1];
#[cfg(target_arch = "aarch64")]
const KINDS: [u32; 3] = [1026, 1025, 257];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const KINDS: [u32; 3] = [u32::MAX; 3];
const CALL: u32 = KINDS[0];

struct Change {
    slot: usize,
    value: usize,
}

/// Makes the object's slots hold what is aimed at. False where a loader seems to be at work on it, unless the caller
/// is out of `patient` waiting.
pub fn point(image: &Image, look: &mut Look, aim: Aim, patient: bool) -> bool {
    let changes: Vec<Change> = (image.relocations())
        .filter_map(|relocation| change(image, look, aim, relocation))
        .collect();
    let is_sealed = |change: &Change| image.sealed.contains(&change.slot);
    if !changes.iter().any(is_sealed) {
        write(&changes);
        return true;
    }
    let open = !look.maps.read_only(image.sealed.start);
    // What the loader has not sealed yet it may seal at any moment, under our hands. What holds ours it had sealed.
    if open && patient && aim == Aim::Ours {
        return false;
    }
    if pages::protect(&image.sealed, libc::PROT_READ | libc::PROT_WRITE) {
        write(&changes);
        if !open {
            pages::protect(&image.sealed, libc::PROT_READ);
        }
    }
    true
}

fn change(image: &Image, look: &mut Look, aim: Aim, relocation: &Relocation) -> Option<Change> {
    let hooks = look.hooks;
    let kind = relocation.r_info as u32;
    if !KINDS.contains(&kind) || relocation.r_addend != 0 {
        return None;
    }
    let slot = image.slot(relocation)?;
    // SAFETY: an aligned word in a segment of the object, which the loader and its stubs read and write whole.
    let held = unsafe { AtomicUsize::from_ptr(slot as *mut usize) }.load(Ordering::Relaxed);
    let symbol = (relocation.r_info >> 32) as u32;
    let value = match aim {
        Aim::Straight => straight(image, hooks, held, symbol)?,
        Aim::Real => hooks.iter().find(|hook| hook.ours == held)?.real,
        Aim::Ours if kind == CALL && image.code.contains(&held) => unbound(image, look, symbol)?,
        Aim::Ours => bound(image, hooks, held, symbol)?,
    };
    Some(Change { slot, value })
}

/// The real function by the slot's name, where it holds another.
fn straight(image: &Image, hooks: &[Hook], held: usize, symbol: u32) -> Option<usize> {
    let (name, _) = image.symbol(symbol)?;
    let hook = hooks.iter().find(|hook| hook.name == name)?;
    (held != hook.real).then_some(hook.real)
}

/// Ours for a slot that holds a real function; of those that share an address, the one of the slot's name.
fn bound(image: &Image, hooks: &[Hook], held: usize, symbol: u32) -> Option<usize> {
    let mut real = hooks.iter().filter(|hook| hook.real == held);
    let first = real.next()?;
    let name = image.symbol(symbol).map(|(name, _)| name);
    let named = std::iter::once(first)
        .chain(real)
        .find(|hook| Some(hook.name) == name);
    Some(named.unwrap_or(first).ours)
}

/// Ours for a slot that still leads to the stub by which the object will bind it at its first call, if there is but
/// one function that it can come to.
fn unbound(image: &Image, look: &mut Look, symbol: u32) -> Option<usize> {
    let (name, _) = image.symbol(symbol)?;
    let hook = look.hooks.iter().find(|hook| hook.name == name)?;
    look.is_alone(hook).then_some(hook.ours)
}

fn write(changes: &[Change]) {
    for change in changes {
        // SAFETY: as where it was read, and its page is writable now; either value is a function of the same type.
        unsafe { AtomicUsize::from_ptr(change.slot as *mut usize) }
            .store(change.value, Ordering::Release);
    }
}
