//! Manydesk tickets: what was said, and both clocks
