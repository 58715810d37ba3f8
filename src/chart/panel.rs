//! A plot with a zero-based byte axis. Owns the mapping from values to pixels, which is plotters'.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{Cartesian2d, Color, Polygon, SVGBackend};
use plotters::style::RGBColor;

use super::bytes::{Axis, tick_text};
use super::canvas::{Anchor, Area, ChartError, QUIET, path};
use super::theme;

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Axis>>;

/// Where a panel lies on the card, in pixels, its axis' numbers included.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub left: i32,
    pub top: i32,
    pub width: i32,
    pub height: i32,
}

pub struct Panel<'r, 'a> {
    area: &'r Area<'a>,
    chart: Chart<'a>,
}

impl<'r, 'a> Panel<'r, 'a> {
    /// Draws the axis and its grid.
    pub fn new(
        area: &'r Area<'a>,
        frame: Frame,
        across: Range<f64>,
        axis: Axis,
    ) -> Result<Self, ChartError> {
        let part = area.clone().shrink(
            (frame.left, frame.top),
            (frame.width.unsigned_abs(), frame.height.unsigned_abs()),
        );
        let mut chart = ChartBuilder::on(&part)
            .set_label_area_size(LabelAreaPosition::Left, theme::AXIS)
            .build_cartesian_2d(across, axis)
            .map_err(ChartError::drawing)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .set_tick_mark_size(LabelAreaPosition::Left, 4)
            .bold_line_style(theme::GRID)
            .axis_style(theme::EDGE)
            .y_label_style(QUIET.style(Anchor::End))
            .draw()
            .map_err(ChartError::drawing)?;
        let panel = Self { area, chart };
        panel.zero_line()?;
        Ok(panel)
    }

    /// The pixel of a value.
    pub fn at(&self, x: f64, bytes: f64) -> (i32, i32) {
        self.chart.backend_coord(&(x, bytes))
    }

    /// The pixel height of a value. What is not zero is at least a pixel off the axis.
    pub fn y(&self, bytes: f64) -> i32 {
        let (zero, there) = (self.at(0.0, 0.0).1, self.at(0.0, bytes).1);
        if bytes > 0.0 {
            there.min(zero - 1)
        } else if bytes < 0.0 {
            there.max(zero + 1)
        } else {
            zero
        }
    }

    /// The pixels that the plot spans, left and right.
    pub fn sides(&self) -> (i32, i32) {
        let (across, _) = self.chart.plotting_area().get_pixel_range();
        (across.start, across.end)
    }

    /// The middle of the plot.
    pub fn middle(&self) -> (i32, i32) {
        let (across, up) = self.chart.plotting_area().get_pixel_range();
        ((across.start + across.end) / 2, (up.start + up.end) / 2)
    }

    pub fn zero_line(&self) -> Result<(), ChartError> {
        self.level(0.0, theme::QUIET.stroke_width(1))
    }

    /// A line from side to side.
    pub fn level(&self, bytes: f64, style: plotters::style::ShapeStyle) -> Result<(), ChartError> {
        let ((left, right), y) = (self.sides(), self.at(0.0, bytes).1);
        path(self.area, vec![(left, y), (right, y)], style)
    }

    /// Fills bars from the zero line, given as left, right and value: one shape for all of them.
    pub fn bars(&self, bars: &[(i32, i32, f64)], colour: RGBColor) -> Result<(), ChartError> {
        let outline = self.outline(bars);
        if outline.is_empty() {
            return Ok(());
        }
        self.area
            .draw(&Polygon::new(outline, colour.filled()))
            .map_err(ChartError::drawing)
    }

    /// Draws the outline of bars.
    pub fn frames(&self, bars: &[(i32, i32, f64)], colour: RGBColor) -> Result<(), ChartError> {
        path(self.area, self.outline(bars), colour.stroke_width(1))
    }

    /// Up, across and down each bar; along the zero line from one to the next.
    fn outline(&self, bars: &[(i32, i32, f64)]) -> Vec<(i32, i32)> {
        let zero = self.at(0.0, 0.0).1;
        bars.iter()
            .filter(|(.., bytes)| *bytes != 0.0)
            .flat_map(|(left, right, bytes)| {
                let top = self.y(*bytes);
                [(*left, zero), (*left, top), (*right, top), (*right, zero)]
            })
            .collect()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, bytes: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (bytes - self.low) / (self.high - self.low);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks()
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(bytes: &f64) -> String {
        tick_text(*bytes)
    }
}
