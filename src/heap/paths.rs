//! Library paths: the frames between a notebook's line and the instruction that asked. Interned as nodes that know the
//! frame before them, so that paths which begin alike share what is alike.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::aside::AddressHasher;
use super::codes::Codes;
use super::sites::Spot;

/// The end of a path; zero is the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PathId(u32);

struct Node {
    spot: Spot,
    /// The frame before: nearer to the notebook's line.
    before: PathId,
    /// Sites and nodes that speak of it.
    uses: u32,
}

#[derive(Default)]
pub struct Paths {
    nodes: Vec<Option<Node>>,
    ids: HashMap<(Spot, PathId), PathId, BuildHasherDefault<AddressHasher>>,
    free: Vec<PathId>,
}

impl Paths {
    /// One more speaks of it.
    pub fn hold(&mut self, id: PathId) {
        if let Some(node) = self.node_mut(id) {
            node.uses += 1;
        }
    }

    /// A path with one more frame, the farthest from the notebook's line. Somebody must hold it, or one that begins with it,
    /// before anything is released.
    pub fn step(&mut self, before: PathId, spot: Spot, codes: &mut Codes) -> PathId {
        if let Some(id) = self.ids.get(&(spot, before)) {
            return *id;
        }
        codes.hold(spot.code);
        if let Some(node) = self.node_mut(before) {
            node.uses += 1;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            PathId(self.nodes.len() as u32)
        });
        self.nodes[id.0 as usize - 1] = Some(Node {
            spot,
            before,
            uses: 0,
        });
        self.ids.insert((spot, before), id);
        id
    }

    /// One that spoke of it is gone; frames that nobody speaks of go with it.
    pub fn release(&mut self, mut id: PathId, codes: &mut Codes) {
        while let Some(node) = self.node_mut(id) {
            node.uses -= 1;
            if node.uses > 0 {
                return;
            }
            let (spot, before) = (node.spot, node.before);
            self.ids.remove(&(spot, before));
            self.nodes[id.0 as usize - 1] = None;
            self.free.push(id);
            codes.release(spot.code);
            id = before;
        }
    }

    /// The frames of a path, from the instruction that asked to the one next to the notebook's line.
    pub fn frames(&self, id: PathId) -> impl Iterator<Item = Spot> {
        let first = self.node(id);
        std::iter::successors(first, |node| self.node(node.before)).map(|node| node.spot)
    }

    fn node(&self, id: PathId) -> Option<&Node> {
        let at = (id.0 as usize).checked_sub(1)?;
        self.nodes.get(at)?.as_ref()
    }

    fn node_mut(&mut self, id: PathId) -> Option<&mut Node> {
        let at = (id.0 as usize).checked_sub(1)?;
        self.nodes.get_mut(at)?.as_mut()
    }

    /// Bytes that the table itself takes.
    pub fn bytes(&self) -> u64 {
        let index = self.ids.capacity() * (size_of::<((Spot, PathId), PathId)>() + 1);
        let nodes = self.nodes.capacity() * size_of::<Option<Node>>();
        (index + nodes + self.free.capacity() * size_of::<PathId>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::codes::{Code, CodeId};
    use super::*;

    fn hold(paths: &mut Paths, frames: &[Spot], codes: &mut Codes) -> PathId {
        let end = (frames.iter()).fold(PathId::default(), |before, spot| {
            paths.step(before, *spot, codes)
        });
        paths.hold(end);
        end
    }

    fn spot(code: CodeId, offset: u32) -> Spot {
        Spot { code, offset }
    }

    #[test]
    fn paths_share_their_beginning_and_go_with_their_last_user() {
        let (mut paths, mut codes) = (Paths::default(), Codes::default());
        let code = codes.add(Code::default());
        let (one, two, three) = (spot(code, 2), spot(code, 4), spot(code, 6));
        let long = hold(&mut paths, &[one, two, three], &mut codes);
        let short = hold(&mut paths, &[one, two], &mut codes);
        assert!(paths.frames(long).eq([three, two, one]));
        assert!(paths.frames(short).eq([two, one]));
        assert_eq!(hold(&mut paths, &[one, two, three], &mut codes), long);
        paths.release(long, &mut codes);
        paths.release(long, &mut codes);
        assert!(paths.frames(short).eq([two, one]) && paths.frames(long).next().is_none());
        paths.release(short, &mut codes);
        assert!(paths.ids.is_empty());
        codes.release(code);
        assert!(codes.get(code).is_none(), "no node holds a copy any more");
    }

    #[test]
    fn the_empty_path_is_nothing_to_hold() {
        let (mut paths, mut codes) = (Paths::default(), Codes::default());
        let none = hold(&mut paths, &[], &mut codes);
        assert_eq!(none, PathId::default());
        paths.release(none, &mut codes);
        assert_eq!(paths.frames(none).count(), 0);
    }
}
