//! Manydesk workforce: who should be there
