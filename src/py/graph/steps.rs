//! The arrows of a chain in words, several at once where a person sees one: attributes, variables of closures, cached
//! results. Reads the objects themselves; no Python runs.

use super::kinds::{Adapter, Kind};
use super::layout::{self, Layout, cache, tuple, word};
use super::names::{arrow, code_name, key_text, own_dict};
use super::owned::{cache_links, each_entry};
use super::parts::{
    FUNCTION_CLOSURE, FUNCTION_CODE, FUNCTION_GLOBALS, MEMORYVIEW_BUFFER, is_function,
    is_memoryview,
};
use super::picture::Picture;
use super::pyarrow::{Form, column_name};
use super::walk::{KEYS, STORAGE};

/// Words, what they are a name of, and how many nodes they go on.
type Skipped = (String, &'static str, usize);

impl Picture {
    /// The next arrow of a way, and how many nodes it goes on: dicts of attributes and parts of closures are no step.
    pub fn step(&mut self, way: &[u32]) -> (String, &'static str, usize) {
        let (node, next) = (way[0], way[1]);
        if let Some(entry) = self.entry(next) {
            // SAFETY: the key of an entry of a dict that lives.
            let words = unsafe { key_text(self.layout, entry.key) };
            return (words, "item", 2.min(way.len() - 1));
        }
        if let Some(frame) = self.frame(node).copied() {
            return (self.variable_of(frame.address, next), "local", 1);
        }
        if self.shared(node).or(self.shared(next)).is_some() {
            return self.through_pyarrow(way);
        }
        let (Some(kind), Some(object)) = (self.kind(node), self.object(node)) else {
            return match self.tag(node) {
                KEYS => ("the name of an attribute".into(), "key", 1),
                _ => ("what its tensor is of".into(), "base", 1),
            };
        };
        if self.tag(next) == STORAGE
            && let Some(after) = way.get(2)
            && self.object(*after).is_some()
        {
            return ("the data of a tensor".into(), "data", 2);
        }
        let Some(held) = self.object(next) else {
            return (self.type_of(next), "other", 1);
        };
        // SAFETY: objects of a picture live.
        unsafe {
            if let Some(named) = self.skipping(&kind, object, held, way) {
                return named;
            }
            let (words, kind) = arrow(self.layout, &kind, object, held);
            (words, kind, 1)
        }
    }

    /// What pyarrow's C++ has is one step, however deep: of a table it is the data of a column.
    fn through_pyarrow(&self, way: &[u32]) -> Skipped {
        let inside = way.iter().skip(1);
        let count = inside
            .take_while(|node| self.shared(**node).is_some())
            .count();
        let words = match self.column_of(&way[..=count]) {
            Some(name) => format!("the data of column {name}"),
            None => "the data of pyarrow".into(),
        };
        (words, "data", (count + 1).min(way.len() - 1))
    }

    /// The column of a table or a batch that a way goes through.
    fn column_of(&self, way: &[u32]) -> Option<String> {
        let at = way.iter().position(|node| {
            let form = self.shared(*node).map(|shared| shared.form);
            matches!(form, Some(Form::Table | Form::Batch))
        })?;
        let table = self.shared(way[at])?;
        let of = match table.form {
            Form::Table => Form::Chunks,
            _ => Form::Data,
        };
        let columns = self.network.of(way[at]);
        let column = way[at + 1..].iter().find_map(|node| {
            let is_column = self.shared(*node)?.form == of;
            let column = columns.iter().position(|column| column == node);
            column.filter(|_| is_column)
        })?;
        // SAFETY: no Python ran since the walk, so the table lives; its columns are the first that it leads to.
        let name = unsafe { column_name(table, column) };
        Some(name.unwrap_or_else(|| column.to_string()))
    }

    unsafe fn skipping(
        &mut self,
        kind: &Kind,
        object: usize,
        held: usize,
        way: &[u32],
    ) -> Option<Skipped> {
        // SAFETY: objects of a picture live.
        let special = unsafe {
            match kind.adapter {
                Adapter::Cache => self.cached(object, way),
                Adapter::Local => self.local_of_thread(way),
                _ => self.variable_of_context(kind, way),
            }
        };
        if special.is_some() {
            return special;
        }
        // SAFETY: as above.
        if is_memoryview(kind) && unsafe { word(object, MEMORYVIEW_BUFFER) } == held {
            // Between them there is an object of C's alone, which all views of it share.
            return Some((".obj".to_owned(), "base", 2.min(way.len() - 1)));
        }
        let after = way.get(2).copied()?;
        let beyond = self.object(after);
        // SAFETY: objects of a picture live.
        unsafe {
            if own_dict(self.layout, kind, object) == held {
                let next = self.kind(way[1])?;
                let (words, _) = match (self.entry(after), beyond) {
                    (Some(entry), _) => (key_text(self.layout, entry.key), ""),
                    (None, Some(beyond)) => arrow(self.layout, &next, held, beyond),
                    _ => return None,
                };
                let is_module = kind.adapter == Adapter::Module;
                let named = if is_module { "global" } else { "attribute" };
                let steps = if self.entry(after).is_some() {
                    3.min(way.len() - 1)
                } else {
                    2
                };
                return Some((as_attribute(&words), named, steps));
            }
            let closure = word(object, FUNCTION_CLOSURE);
            if is_function(kind) && closure == held {
                return self.cell_variable(object, held, beyond?, way);
            }
            if is_function(kind) && word(object, FUNCTION_GLOBALS) == held {
                let next = self.kind(way[1])?;
                let (words, _) = arrow(self.layout, &next, held, beyond?);
                let name = words.trim_matches(['[', ']', '\'']).to_owned();
                return Some((format!(".__globals__['{name}']"), "global", 2));
            }
        }
        None
    }

    /// What a `functools.lru_cache` keeps: it is behind a dict, a link or both. Of a call it has the result and the arguments.
    unsafe fn cached(&mut self, object: usize, way: &[u32]) -> Option<Skipped> {
        // SAFETY: a cache: its dict, and the first link of its ring, which is the cache itself where there is none.
        let (dict, first) = unsafe { (word(object, cache::DICT), word(object, cache::NEXT)) };
        // SAFETY: both are objects that live.
        let link = unsafe { word(first, layout::TYPE) };
        let is_inside = |held: usize| {
            // SAFETY: objects of a picture live.
            held == dict || (first != object && unsafe { word(held, layout::TYPE) } == link)
        };
        let inside = (way.iter().skip(1))
            .take_while(|node| self.object(**node).is_some_and(is_inside))
            .count();
        let Some(held) = way.get(inside + 1) else {
            return Some(("its cache".to_owned(), "cache", inside));
        };
        // SAFETY: a cache that lives.
        let of = unsafe { part_of_call(self.layout, object, self.object(*held)?) };
        let words = match of {
            Some(CallPart::Result) => "a cached result",
            Some(CallPart::Arguments) if way.len() > inside + 2 => {
                return Some((
                    "an argument of a cached call".to_owned(),
                    "cache",
                    inside + 2,
                ));
            }
            Some(CallPart::Arguments) => "the arguments of a cached call",
            None if inside > 0 => "its cache",
            None => return None,
        };
        Some((words.to_owned(), "cache", inside + 1))
    }

    /// An attribute of a `threading.local`: it is in a dict for each thread, and those are in a dict.
    unsafe fn local_of_thread(&mut self, way: &[u32]) -> Option<Skipped> {
        for dict in way.get(1..3)? {
            if self.kind(*dict)?.adapter != Adapter::Dict {
                return None;
            }
        }
        let (Some(held), Some(value)) = (self.object(way[2]), way.get(3)) else {
            return Some((".__dict__ of a thread".into(), "thread", 2));
        };
        let (kind, value) = (self.kind(way[2])?, self.object(*value)?);
        // SAFETY: objects of a picture live.
        let (words, _) = unsafe { arrow(self.layout, &kind, held, value) };
        Some((as_attribute(&words) + " of a thread", "thread", 3))
    }

    /// `cell variable x of f`: the function, its cells, one of them, and what is in that.
    unsafe fn cell_variable(
        &mut self,
        function: usize,
        cells: usize,
        cell: usize,
        way: &[u32],
    ) -> Option<Skipped> {
        // SAFETY: a function and the tuple of its cells.
        unsafe {
            let code = word(function, FUNCTION_CODE);
            let count = word(cells, layout::SIZE);
            let at = (0..count).find(|at| word(cells, tuple::ITEMS + at * 8) == cell)?;
            let locals = layout::int(code, self.layout.code_locals) as usize;
            // The cells of a closure are the last of its variables.
            let name = super::frames::local_name(self.layout, code, locals - count + at)?;
            let of = code_name(self.layout, code);
            let words = format!("cell variable {name} of {of}");
            Some((words, "closure", if way.len() > 3 { 3 } else { 2 }))
        }
    }

    fn variable_of(&self, frame: usize, next: u32) -> String {
        match self.local_of(frame, next) {
            Some(name) => format!("variable {name}"),
            None => "a value on its stack".into(),
        }
    }

    /// Which variable of a running frame a node's object is.
    pub fn local_of(&self, frame: usize, next: u32) -> Option<String> {
        let held = self.object(next)?;
        // SAFETY: the frame still runs.
        unsafe {
            let code = word(frame, self.layout.frame_code);
            let count = layout::int(code, self.layout.code_locals).max(0) as usize;
            let at = (0..count).find(|at| word(frame, layout::FRAME_SLOTS + at * 8) == held)?;
            super::frames::local_name(self.layout, code, at)
        }
    }
}

enum CallPart {
    Result,
    Arguments,
}

/// What of a call an object is that a cache has: without a bound on its size it has a dict of them, else a ring of links.
unsafe fn part_of_call(layout: &Layout, object: usize, held: usize) -> Option<CallPart> {
    let (mut is_result, mut is_key) = (false, false);
    // SAFETY: a cache that lives, its dict and its links.
    unsafe {
        let links = cache_links(object);
        for link in &links {
            is_result |= word(*link, cache::RESULT) == held;
            is_key |= word(*link, cache::KEY) == held;
        }
        if links.is_empty() {
            each_entry(layout, word(object, cache::DICT), |key, value| {
                is_result |= value == held;
                is_key |= key == held;
            });
        }
    }
    if is_result {
        Some(CallPart::Result)
    } else {
        is_key.then_some(CallPart::Arguments)
    }
}

/// `['x']` as `.x`.
fn as_attribute(words: &str) -> String {
    let name = words
        .strip_prefix("['")
        .and_then(|rest| rest.strip_suffix("']"));
    name.map_or_else(|| words.to_owned(), |name| format!(".{name}"))
}
