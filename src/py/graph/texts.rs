//! Text of str objects and names of types, read where they lie: nothing is made or counted.

use std::ffi::CStr;

use super::layout::{Layout, byte, kind, text, word};

/// Longer text is cut.
const MOST: usize = 400;

/// The text of a str; none where it is no str, or lies in no usual way.
///
/// # Safety
/// A live object or null, with the interpreter's lock.
pub unsafe fn text(layout: &Layout, object: usize) -> Option<String> {
    // SAFETY: the caller's promise, and what is read is as the state says.
    unsafe {
        if object == 0 || word(word(object, 8), kind::FLAGS) & kind::IS_TEXT == 0 {
            return None;
        }
        let state = byte(object, text::STATE);
        let length = word(object, 16);
        let ascii = state & text::ASCII != 0;
        let start = if state & text::COMPACT == 0 {
            word(object, layout.text_data)
        } else if ascii {
            // Behind the fields that compact text of other letters begins with.
            object + layout.text_utf8 - 8
        } else {
            object + layout.text_data
        };
        let width = usize::from(state >> 2 & 7);
        if start == 0 || !matches!(width, 1 | 2 | 4) {
            return None;
        }
        let letter = |at: usize| {
            let code = match width {
                1 => u32::from(byte(start, at)),
                2 => u32::from(((start + at * 2) as *const u16).read()),
                _ => ((start + at * 4) as *const u32).read(),
            };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        let mut text: String = (0..length.min(MOST)).map(letter).collect();
        if length > MOST {
            text.push('…');
        }
        Some(text)
    }
}

/// The name of a type as a person writes it: with its module, unless that is of builtins or `__main__`.
///
/// # Safety
/// A live type.
pub unsafe fn type_name(layout: &Layout, of: usize) -> String {
    // SAFETY: the caller's promise: a type has a name; one that was made at run time has its module in its dict.
    unsafe {
        let name = CStr::from_ptr(word(of, kind::NAME) as *const _).to_string_lossy();
        if word(of, kind::FLAGS) & kind::HEAP == 0 {
            return name.trim_start_matches("builtins.").to_owned();
        }
        let class = of as *const pyo3::ffi::PyHeapTypeObject;
        let qualname = text(layout, (*class).ht_qualname as usize);
        let name = qualname.unwrap_or_else(|| name.into_owned());
        let mut module = None;
        let dict = word(of, kind::DICT);
        if dict != 0 {
            super::owned::each_entry(layout, dict, |key, value| {
                if module.is_none() && text(layout, key).as_deref() == Some("__module__") {
                    module = text(layout, value);
                }
            });
        }
        let name = name.rsplit("<locals>.").next().unwrap_or(&name).to_owned();
        match module.as_deref() {
            None | Some("builtins" | "__main__") => name,
            Some(module) => format!("{module}.{name}"),
        }
    }
}
