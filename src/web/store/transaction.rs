//! One transaction, from its first request to the browser's word that it is complete.

use rexie::{Rexie, Transaction, TransactionMode};

use super::TABLES;

/// Why nothing was done.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// The handle is of no use.
    Lost,
    /// The transaction was aborted: for want of room, if it happens again with a fresh handle. Browsers do not tell.
    Aborted,
}

/// Does `work` in a transaction. What fails half way is undone whole.
pub(super) async fn in_transaction<T>(
    database: &Rexie,
    mode: TransactionMode,
    work: impl AsyncFnOnce(&Transaction) -> rexie::Result<T>,
) -> Result<T, Fault> {
    let Ok(transaction) = database.transaction(&TABLES, mode) else {
        return Err(Fault::Lost);
    };
    match work(&transaction).await {
        Ok(done) => match transaction.done().await {
            Ok(result) if result.is_committed() => Ok(done),
            _ => Err(Fault::Aborted),
        },
        Err(_) => {
            // Where a request's error has aborted it already there is nothing left to abort.
            let _ = transaction.abort().await;
            Err(Fault::Aborted)
        }
    }
}
