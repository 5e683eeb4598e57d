//! runtime-mysql
