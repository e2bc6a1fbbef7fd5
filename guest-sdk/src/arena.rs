//! The allocator of guests: a static arena first, the growing heap only when it is full.
//!
//! Every `memory.grow` of a guest is a system call in the host, twice, and takes a lock that all calls share.
//! A call that fits the arena makes none. An instance lives for one call, so nothing has to be given back
//! in the middle: only the newest block is reclaimed, which is what growing strings and vectors need.
#![expect(unsafe_code, reason = "an allocator hands out raw memory; the trait itself is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};

/// 96 KiB: with a 32 KiB stack and the data of a JSON guest that stays within 256 KiB of memory.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: Arena<{ 96 << 10 }> = Arena::new();

/// Static memory that is handed out from front to back.
pub(crate) struct Arena<const SIZE: usize> {
    memory: UnsafeCell<[u8; SIZE]>,
    used: Cell<usize>,
}

// SAFETY: guests have one thread (threads are refused at install); native tests keep an arena to themselves.
unsafe impl<const SIZE: usize> Sync for Arena<SIZE> {}

impl<const SIZE: usize> Arena<SIZE> {
    /// An empty arena.
    pub(crate) const fn new() -> Self {
        Self { memory: UnsafeCell::new([0; SIZE]), used: Cell::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    /// Where in the arena a block begins, if it is one of ours.
    fn offset_of(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().checked_sub(self.base().addr())?;
        (offset < SIZE).then_some(offset)
    }

    fn carve(&self, layout: Layout) -> Option<*mut u8> {
        let front = self.base().addr().checked_add(self.used.get())?;
        let start = front.checked_next_multiple_of(layout.align())? - self.base().addr();
        let end = start.checked_add(layout.size())?;
        if end > SIZE {
            return None;
        }
        self.used.set(end);
        // SAFETY: `start <= end <= SIZE`, so the pointer stays inside `memory`.
        Some(unsafe { self.base().add(start) })
    }
}

// SAFETY: blocks are carved from disjoint ranges, aligned as asked, and stay valid for as long as the arena;
// whatever does not fit is the system allocator's, and goes back to it.
unsafe impl<const SIZE: usize> GlobalAlloc for Arena<SIZE> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are passed on.
        self.carve(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset_of(block) {
            Some(start) if start + layout.size() == self.used.get() => self.used.set(start),
            Some(_) => {}
            // SAFETY: a block that is not ours came from `System` with this layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(start) = self.offset_of(block) else {
            // SAFETY: a block that is not ours came from `System` with this layout.
            return unsafe { System.realloc(block, layout, new_size) };
        };
        if start + layout.size() == self.used.get() && start.checked_add(new_size).is_some_and(|end| end <= SIZE) {
            self.used.set(start + new_size);
            return block;
        }
        if new_size <= layout.size() {
            return block;
        }
        // SAFETY: the caller promises that `new_size`, rounded up to the alignment, does not overflow.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both blocks hold at least `layout.size()` bytes and are disjoint.
            unsafe { new.copy_from_nonoverlapping(block, layout.size()) };
            // SAFETY: the block is ours and is not used any more.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_do_not_overlap() {
        let arena = Arena::<1024>::new();
        let mut end = 0;
        for (size, align) in [(1, 1), (8, 8), (3, 2), (64, 64), (1, 16)] {
            // SAFETY: the layout is not empty.
            let block = unsafe { arena.alloc(layout(size, align)) };
            assert_eq!(block.addr() % align, 0);
            assert!(arena.offset_of(block).unwrap() >= end);
            end = arena.offset_of(block).unwrap() + size;
        }
    }

    #[test]
    fn the_newest_block_grows_in_place_and_is_reclaimed() {
        let arena = Arena::<1024>::new();
        // SAFETY: each block is used with the layout it was made with, and not after it is freed.
        unsafe {
            let block = arena.alloc(layout(16, 1));
            assert_eq!(arena.realloc(block, layout(16, 1), 512), block);
            arena.dealloc(block, layout(512, 1));
            assert_eq!(arena.alloc(layout(1024, 1)), block, "the whole arena is free again");
        }
    }

    #[test]
    fn an_older_block_moves_when_it_grows_and_keeps_its_bytes() {
        let arena = Arena::<1024>::new();
        // SAFETY: as above.
        unsafe {
            let old = arena.alloc(layout(4, 1));
            old.copy_from_nonoverlapping(b"abcd".as_ptr(), 4);
            arena.alloc(layout(4, 1));
            let new = arena.realloc(old, layout(4, 1), 32);
            assert_ne!(new, old);
            assert_eq!(std::slice::from_raw_parts(new, 4), b"abcd");
        }
    }

    #[test]
    fn what_does_not_fit_comes_from_the_growing_heap_and_goes_back_there() {
        let arena = Arena::<64>::new();
        // SAFETY: as above.
        unsafe {
            let inside = arena.alloc(layout(60, 1));
            let outside = arena.alloc(layout(60, 1));
            assert!(arena.offset_of(inside).is_some());
            assert!(arena.offset_of(outside).is_none());
            let outside = arena.realloc(outside, layout(60, 1), 4096);
            outside.write_bytes(7, 4096);
            arena.dealloc(outside, layout(4096, 1));
            let moved = arena.realloc(inside, layout(60, 1), 128);
            assert!(arena.offset_of(moved).is_none(), "a block that outgrows the arena leaves it");
            arena.dealloc(moved, layout(128, 1));
        }
    }
}
