//! Charts from the outside: what a report says is what the drawing shows. The drawings are read by an XML parser
//! that knows nothing of ours.

mod bytes;
mod cells;
mod drawing;
mod flame;
mod graphs;
mod heapmap;
mod history;
mod last;
mod lines;
mod raster;
mod reports;
mod timeline;
