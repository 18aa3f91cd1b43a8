//! The stores, each opened and tuned as its own users would.

pub mod envelog;
pub mod fjall;
pub mod lmdb;
pub mod redb;
#[cfg(feature = "rocksdb")]
pub mod rocksdb;
pub mod sqlite;

use crate::peer::{Level, Peer, Promise};

/// What can be done with a store whose type is known.
pub trait Visitor {
    /// What it gives.
    type Output;

    /// Does it.
    fn visit<P: Peer>(self) -> Self::Output;
}

/// Does it with the store of this name, or nothing where there is none.
pub fn with<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
    Some(match name {
        envelog::Envelog::NAME => visitor.visit::<envelog::Envelog>(),
        sqlite::Sqlite::NAME => visitor.visit::<sqlite::Sqlite>(),
        lmdb::Lmdb::NAME => visitor.visit::<lmdb::Lmdb>(),
        redb::Redb::NAME => visitor.visit::<redb::Redb>(),
        fjall::Fjall::NAME => visitor.visit::<fjall::Fjall>(),
        #[cfg(feature = "rocksdb")]
        rocksdb::RocksDb::NAME => visitor.visit::<rocksdb::RocksDb>(),
        _ => return None,
    })
}

/// The name of envelog itself.
pub const OURS: &str = envelog::Envelog::NAME;

/// All names, envelog's first.
pub const NAMES: &[&str] = &[
    OURS,
    sqlite::Sqlite::NAME,
    lmdb::Lmdb::NAME,
    redb::Redb::NAME,
    fjall::Fjall::NAME,
    #[cfg(feature = "rocksdb")]
    rocksdb::RocksDb::NAME,
];

/// What the store of this name keeps at a level.
pub fn promise(name: &str, level: Level) -> Option<Promise> {
    struct Ask(Level);
    impl Visitor for Ask {
        type Output = Promise;
        fn visit<P: Peer>(self) -> Promise {
            P::promise(self.0)
        }
    }
    with(name, Ask(level))
}
