//! From SVG to PNG, for files. Brings its own fonts, so that a picture is the same on every machine.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use super::ChartError;

const FONTS: [&[u8]; 3] = [
    include_bytes!("fonts/DejaVuSans.ttf"),
    include_bytes!("fonts/DejaVuSans-Bold.ttf"),
    include_bytes!("fonts/DejaVuSansMono.ttf"),
];

static KNOWN: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut known = Database::new();
    for font in FONTS {
        known.load_font_data(font.to_vec());
    }
    known.set_sans_serif_family("DejaVu Sans");
    known.set_monospace_family("DejaVu Sans Mono");
    Arc::new(known)
});

/// The drawing as PNG, `scale` pixels for each of its own.
///
/// # Errors
/// If the text is no SVG, or the picture would be empty or too large for memory.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, ChartError> {
    let options = Options {
        fontdb: KNOWN.clone(),
        font_family: "DejaVu Sans".into(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(ChartError::drawing)?;
    let size = (tree.size().to_int_size())
        .scale_by(scale)
        .ok_or_else(|| ChartError::drawing("the picture is empty"))?;
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| ChartError::drawing("the picture is too large"))?;
    let transform = Transform::from_scale(scale, scale);
    resvg::render(&tree, transform, &mut pixels.as_mut());
    pixels.encode_png().map_err(ChartError::drawing)
}
