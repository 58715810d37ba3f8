//! Whom a block was asked of: the outermost allocator that saw the request, and whose code asked it.

use std::collections::HashMap;
use std::sync::Arc;

/// The outermost allocator that saw the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
#[repr(u8)]
pub enum Layer {
    /// Python's own, `PyMem_*` and `PyObject_*`: pymalloc, which hands what is above 512 bytes on to `malloc`.
    #[default]
    Python,
    /// The C library's `malloc` and its kin.
    Malloc,
    /// Pages from the system: `mmap`. What a library's own allocator hands out is inside.
    Mmap,
}

pub const LAYERS: [Layer; 3] = [Layer::Python, Layer::Malloc, Layer::Mmap];

impl Layer {
    /// How the allocator is called in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "pymalloc",
            Self::Malloc => "malloc",
            Self::Mmap => "mmap",
        }
    }
}

/// A shared object by the order in which it was first seen to ask; zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ObjectId(pub u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Source {
    pub layer: Layer,
    /// Whose code asked; none for Python's layer, where the line's own library path says it.
    pub object: ObjectId,
}

/// Paths of the shared objects that asked for memory.
#[derive(Default)]
pub struct Objects {
    paths: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, ObjectId>,
}

impl Objects {
    /// The object with this path. Past 65,535 of them: none.
    pub fn id(&mut self, path: &str) -> ObjectId {
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        let Ok(number) = u16::try_from(self.paths.len() + 1) else {
            return ObjectId::default();
        };
        let path: Arc<str> = Arc::from(path);
        self.paths.push(path.clone());
        self.ids.insert(path, ObjectId(number));
        ObjectId(number)
    }

    /// Its path; empty for none.
    pub fn path(&self, id: ObjectId) -> &str {
        let at = usize::from(id.0).checked_sub(1);
        at.and_then(|at| self.paths.get(at)).map_or("", |path| path)
    }

    /// Bytes that the table itself takes.
    pub fn bytes(&self) -> u64 {
        let texts: usize = self.paths.iter().map(|path| path.len() + 64).sum();
        texts as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_id() {
        let mut objects = Objects::default();
        let one = objects.id("/lib/one.so");
        assert_ne!(objects.id("/lib/two.so"), one);
        assert_eq!(objects.id("/lib/one.so"), one);
        assert_eq!(
            (objects.path(one), objects.path(ObjectId::default())),
            ("/lib/one.so", "")
        );
    }
}
