//! Which lines hold the most now, of the whole notebook. In two steps: what stands in the books is taken from them quickly,
//! for somebody waits for them; what it means in words is found out afterwards, away from them.

use std::collections::HashMap;
use std::sync::Arc;

use super::books::Books;
use super::cells::{CellId, Record};
use super::codes::{Code, CodeId};
use super::last::{Holder, Place as Words};
use super::places::{Where, nowhere, nowhere_of, place_in};
use super::sites::{Place, Spot};

/// Live bytes by cell and place, as they were in the books.
#[derive(Default)]
pub struct Taken {
    live: HashMap<(CellId, At), u64>,
    codes: HashMap<CodeId, Arc<Code>>,
    labels: HashMap<CellId, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    Spot(Spot),
    /// No line is known; the words that stand for one.
    Nowhere(&'static str),
}

impl Taken {
    /// Takes what is live. In a turn at the books.
    pub fn from(books: &Books) -> Self {
        let mut taken = Self::default();
        for (_, cold, hot) in books.sites().iter() {
            let live = hot.live();
            if live == 0 {
                continue;
            }
            let at = match cold.key.place {
                Place::Line { line, .. } => At::Spot(line),
                other => At::Nowhere(nowhere_of(other)),
            };
            *taken.live.entry((cold.key.cell, at)).or_default() += live;
        }
        for (cell, at) in taken.live.keys() {
            if let At::Spot(spot) = at
                && let Some(code) = books.codes.shared(spot.code)
            {
                taken.codes.entry(spot.code).or_insert(code);
            }
            let label = || books.record(*cell).map_or_else(String::new, Record::label);
            taken.labels.entry(*cell).or_insert_with(label);
        }
        taken
    }

    /// The lines that hold the most, at most `count`; `name` says how a file is named.
    pub fn most(&self, count: usize, name: impl Fn(&str) -> String) -> Vec<Holder> {
        let mut lines: HashMap<(CellId, Where), u64> = HashMap::new();
        for ((cell, at), live) in &self.live {
            *lines.entry((*cell, self.told(*at))).or_default() += live;
        }
        let mut lines: Vec<_> = lines.into_iter().collect();
        lines.sort_by(|(a, a_live), (b, b_live)| b_live.cmp(a_live).then_with(|| a.cmp(b)));
        lines.truncate(count);
        let holder = |((cell, (file, line, function)), live): ((CellId, Where), u64)| Holder {
            origin: self.labels.get(&cell).cloned().unwrap_or_default(),
            place: Words {
                name: name(&file),
                file: file.to_string(),
                line,
                function: function.to_string(),
            },
            live,
        };
        lines.into_iter().map(holder).collect()
    }

    fn told(&self, at: At) -> Where {
        match at {
            At::Nowhere(words) => nowhere(words),
            At::Spot(spot) => match self.codes.get(&spot.code) {
                Some(code) => place_in(code, spot.offset),
                None => nowhere(nowhere_of(Place::Other)),
            },
        }
    }
}
