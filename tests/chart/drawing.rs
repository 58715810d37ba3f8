//! A drawing, read back: texts, shapes and their colours, in pixels.

use cellheap::chart::Svg;
use roxmltree::{Document, Node};

pub const LIVE: &str = "#0072B2";
pub const PEAK: &str = "#D55E00";
pub const ALLOCATED: &str = "#777777";
const SPACE: &str = "http://www.w3.org/2000/svg";

#[derive(Debug)]
pub struct Shape {
    pub fill: String,
    pub stroke: String,
    pub points: Vec<(f64, f64)>,
}

#[derive(Debug)]
pub struct Word {
    pub text: String,
    pub x: f64,
    pub y: f64,
    pub size: f64,
    pub anchor: String,
    pub fill: String,
}

pub struct Drawing {
    pub width: f64,
    pub height: f64,
    pub words: Vec<Word>,
    pub shapes: Vec<Shape>,
}

impl Drawing {
    pub fn read(svg: &Svg) -> Self {
        let document = Document::parse(svg.as_str()).expect("an SVG is XML");
        let root = document.root_element();
        let is_mark = |node: &Node<'_, '_>| node.is_element() && !node.has_tag_name((SPACE, "g"));
        let nodes = || root.descendants().skip(1).filter(is_mark);
        Self {
            width: number(&root, "width"),
            height: number(&root, "height"),
            words: nodes()
                .filter(|node| node.has_tag_name((SPACE, "text")))
                .map(|node| word(&node))
                .collect(),
            shapes: nodes()
                .filter(|node| node.tag_name().name() != "text")
                .map(|node| shape(&node))
                .collect(),
        }
    }

    /// Whether some text says this.
    pub fn says(&self, words: &str) -> bool {
        self.words.iter().any(|word| word.text == words)
    }

    /// Pixels that shapes of a colour fill.
    pub fn area(&self, fill: &str) -> f64 {
        self.shapes
            .iter()
            .filter(|shape| shape.fill == fill)
            .map(|shape| area(&shape.points))
            .sum()
    }

    /// Points of the lines and outlines of a colour.
    pub fn stroked(&self, stroke: &str) -> Vec<(f64, f64)> {
        let lines = self.shapes.iter().filter(|shape| shape.stroke == stroke);
        lines.flat_map(|shape| shape.points.clone()).collect()
    }

    /// What does not lie on the card, each in a few words.
    pub fn clipped(&self) -> Vec<String> {
        let out = |x: f64, y: f64| x < 0.0 || y < 0.0 || x > self.width || y > self.height;
        let words = self.words.iter().filter(|word| {
            let (left, right) = word.sides();
            out(left, word.y - word.size * 0.5) || out(right, word.y + word.size * 0.5)
        });
        let shapes = self
            .shapes
            .iter()
            .filter(|shape| shape.points.iter().any(|(x, y)| out(*x, *y)));
        words
            .map(|word| format!("{word:?}"))
            .chain(shapes.map(|shape| format!("{shape:?}")))
            .collect()
    }

    /// Texts on one height that run into each other.
    pub fn collisions(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (at, one) in self.words.iter().enumerate() {
            for other in &self.words[at + 1..] {
                let ((left, right), (from, to)) = (one.sides(), other.sides());
                if (one.y - other.y).abs() < 8.0 && left < to && from < right {
                    found.push((one.text.clone(), other.text.clone()));
                }
            }
        }
        found
    }
}

impl Word {
    /// About where it begins and ends, by the widths of Helvetica.
    fn sides(&self) -> (f64, f64) {
        let em = |c: char| match c {
            'i' | 'l' | 'j' | '\'' => 0.22,
            '.' | ',' | ' ' | '\u{A0}' | '[' | ']' | '/' | 't' | 'f' | ':' | ';' => 0.28,
            '(' | ')' | 'r' | '-' => 0.33,
            'm' | 'M' | '…' => 0.9,
            'A'..='Z' => 0.7,
            _ => 0.556,
        };
        let width = self.text.chars().map(em).sum::<f64>() * self.size;
        match self.anchor.as_str() {
            "end" => (self.x - width, self.x),
            "middle" => (self.x - width / 2.0, self.x + width / 2.0),
            _ => (self.x, self.x + width),
        }
    }
}

fn word(node: &Node<'_, '_>) -> Word {
    let inherited = |name| {
        (node.ancestors())
            .find_map(|node| node.attribute(name))
            .unwrap_or_default()
            .to_owned()
    };
    let size: f64 = inherited("font-size").parse().expect("a size in pixels");
    Word {
        text: node.text().unwrap_or_default().replace('\u{A0}', " "),
        x: number(node, "x"),
        // It stands on a line; its middle is half a letter above.
        y: number(node, "y") - (0.26 * size).round(),
        size,
        anchor: inherited("text-anchor"),
        fill: inherited("fill"),
    }
}

fn shape(node: &Node<'_, '_>) -> Shape {
    let given = |name| node.attribute(name).unwrap_or_default().to_owned();
    let points = match node.tag_name().name() {
        "rect" => {
            let (x, y) = (number(node, "x"), number(node, "y"));
            let (right, bottom) = (x + number(node, "width"), y + number(node, "height"));
            vec![(x, y), (right, y), (right, bottom), (x, bottom)]
        }
        "line" => vec![
            (number(node, "x1"), number(node, "y1")),
            (number(node, "x2"), number(node, "y2")),
        ],
        "path" => path(node.attribute("d").expect("a path has points")),
        other => panic!("{other} is not drawn by charts"),
    };
    Shape {
        fill: given("fill"),
        stroke: given("stroke"),
        points,
    }
}

/// Of the commands M, l, h and v: where it begins, and steps from there.
fn path(d: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let (mut x, mut y) = (0.0, 0.0);
    for command in d
        .split_inclusive(|c: char| c.is_ascii_alphabetic())
        .zip((d.split(|c: char| c.is_ascii_alphabetic())).skip(1))
    {
        let spaced = command.1.replace('-', " -");
        let numbers: Vec<f64> = spaced
            .split_whitespace()
            .map(|n| n.parse().expect("a number"))
            .collect();
        let kind = command.0.chars().last().expect("a command");
        let steps: Vec<(f64, f64)> = match (kind, numbers.as_slice()) {
            ('M', [to_x, to_y]) => vec![(*to_x, *to_y)],
            ('l', steps) if steps.len() % 2 == 0 => {
                steps.chunks(2).map(|step| (step[0], step[1])).collect()
            }
            ('h', [across]) => vec![(*across, 0.0)],
            ('v', [down]) => vec![(0.0, *down)],
            other => panic!("{other:?} is not a command of ours"),
        };
        for (across, down) in steps {
            (x, y) = (x + across, y + down);
            points.push((x, y));
        }
    }
    points
}

/// Of a polygon, by the shoelace formula; parts that wind the other way count too.
fn area(points: &[(f64, f64)]) -> f64 {
    let next = points.iter().cycle().skip(1);
    (points
        .iter()
        .zip(next)
        .map(|(a, b)| a.0 * b.1 - b.0 * a.1)
        .sum::<f64>()
        / 2.0)
        .abs()
}

fn number(node: &Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name)
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{node:?} has {name}"))
}

/// How far two colours are apart, by the formula of the accessibility guidelines.
pub fn contrast(one: &str, other: &str) -> f64 {
    let (a, b) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("hex")) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}
