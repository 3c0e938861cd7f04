//! Manydesk gateway: the only public edge.
