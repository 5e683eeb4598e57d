//! actors-messages
