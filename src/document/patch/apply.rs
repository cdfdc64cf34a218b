//! Makes the changes of a patch: follows a pointer, copies only what is shared, and checks the
//! sizes after every step.
//!
//! Whoever calls goes back to a copy if a change stops half way.

use std::sync::Arc;

use super::fault::{Fault, Stop, Why};
use super::{COPIED_BYTES_MAX, DOCUMENT_BYTES_MAX, Operation};
use crate::document::pointer::{Pointer, first_token, index, unescape};
use crate::document::value::{Commands, DEPTH_MAX, Value};

/// All operations in order; at the first fault the document is whatever it has become.
pub(super) fn operations(
    operations: &[Operation],
    document: &mut Value,
    told: &mut Option<&mut Commands>,
) -> Result<(), Fault> {
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        operation
            .apply(document, &mut copied, told)
            .and_then(|()| check_size(document).map_err(|why| why.at(operation.path())))
            .map_err(|stop| Fault::of(index, stop))?;
    }
    Ok(())
}

/// RFC 7396.
pub(super) fn merge(partial: &Value, document: &mut Value) -> Result<(), Fault> {
    merge_into(document, partial);
    check_size(document).map_err(Fault::whole)
}

fn check_size(document: &Value) -> Result<(), Why> {
    if document.bytes() > DOCUMENT_BYTES_MAX {
        return Err(Why::TooLarge);
    }
    Ok(())
}

impl Operation {
    fn apply(
        &self,
        document: &mut Value,
        copied: &mut usize,
        told: &mut Option<&mut Commands>,
    ) -> Result<(), Stop> {
        match self {
            Self::Add(path, value) => add(document, path, value.clone(), told),
            Self::Remove(path) => remove(document, path, told).map(drop),
            Self::Replace(path, value) => {
                let put = &mut |place: &mut Value| {
                    check_depth(path, value)?;
                    if let Some(told) = told
                        && place != value
                    {
                        told.set(path.as_str(), value);
                    }
                    *place = value.clone();
                    Ok(())
                };
                at_place(document, path.as_str(), put).map_err(|why| match why {
                    Why::TooDeep => why.at(path),
                    _ => Why::Missing.at(path),
                })
            }
            Self::Move(from, path) => {
                from.find(document).ok_or(Why::Missing.at(from))?;
                if from == path {
                    return Ok(());
                }
                if from.is_around(path) {
                    return Err(Why::IntoItself.at(path));
                }
                let value = remove(document, from, told)?;
                add(document, path, value, told)
            }
            Self::Copy(from, path) => {
                let value = from.find(document).ok_or(Why::Missing.at(from))?.clone();
                *copied += value.bytes();
                if *copied > COPIED_BYTES_MAX {
                    return Err(Why::CopiesTooMuch.at(from));
                }
                add(document, path, value, told)
            }
            Self::Test(path, value) => match path.find(document) {
                None => Err(Why::Missing.at(path)),
                Some(found) if found == value => Ok(()),
                Some(_) => Err(Why::TestFailed.at(path)),
            },
        }
    }
}

fn check_depth(path: &Pointer, value: &Value) -> Result<(), Why> {
    if path.depth() + usize::from(value.height()) > usize::from(DEPTH_MAX) {
        return Err(Why::TooDeep);
    }
    Ok(())
}

fn add(
    document: &mut Value,
    path: &Pointer,
    value: Value,
    told: &mut Option<&mut Commands>,
) -> Result<(), Stop> {
    check_depth(path, &value).map_err(|why| why.at(path))?;
    let Some((parent, token)) = path.parent() else {
        if let Some(told) = told {
            told.set("", &value);
        }
        *document = value;
        return Ok(());
    };
    let mut value = Some(value);
    at_place(document, parent, &mut |place| {
        let value = value.take().unwrap_or_default();
        match place {
            Value::Object(object) => {
                let key = unescape(token);
                if let Some(told) = told {
                    match object.get(&key) {
                        Some(_) => told.set(path.as_str(), &value),
                        None => told.new_member(path.as_str(), &value, object.len() + 1),
                    }
                }
                Arc::make_mut(object).insert(key.into(), value);
                Ok(())
            }
            Value::Array(array) => {
                let index = match token {
                    "-" => Some(array.len()),
                    token => index(token).filter(|index| *index <= array.len()),
                };
                let index = index.ok_or(Why::NoIndex)?;
                if let Some(told) = told {
                    told.spliced(parent, (index, 0), std::iter::once(&value));
                }
                Arc::make_mut(array).insert(index, value);
                Ok(())
            }
            _ => Err(Why::Missing),
        }
    })
    .map_err(|why| why.at(path))
}

/// Takes away what is there; the whole document leaves `null`.
fn remove(
    document: &mut Value,
    path: &Pointer,
    told: &mut Option<&mut Commands>,
) -> Result<Value, Stop> {
    let Some((parent, token)) = path.parent() else {
        if let Some(told) = told {
            told.set("", &Value::Null);
        }
        return Ok(std::mem::take(document));
    };
    let mut gone = Value::Null;
    at_place(document, parent, &mut |place| {
        gone = match place {
            Value::Object(object) => {
                let key = unescape(token);
                object.get(&key).ok_or(Why::Missing)?;
                if let Some(told) = told {
                    told.gone(path.as_str());
                }
                Arc::make_mut(object).remove(&key)
            }
            Value::Array(array) => {
                let index = index(token).filter(|index| *index < array.len());
                let index = index.ok_or(Why::NoIndex)?;
                if let Some(told) = told {
                    told.spliced(parent, (index, 1), std::iter::empty());
                }
                Arc::make_mut(array).remove(index)
            }
            _ => None,
        }
        .ok_or(Why::Missing)?;
        Ok(())
    })
    .map_err(|why| why.at(path))?;
    Ok(gone)
}

/// Goes down the way that `rest` says, and acts there. What is shared on the way is copied.
fn at_place(
    value: &mut Value,
    rest: &str,
    act: &mut dyn FnMut(&mut Value) -> Result<(), Why>,
) -> Result<(), Why> {
    let Some((token, rest)) = first_token(rest) else {
        return act(value);
    };
    match value {
        Value::Object(object) => {
            let edit = |value: &mut Value| at_place(value, rest, act);
            let outcome = Arc::make_mut(object).edit(&unescape(token), edit);
            outcome.unwrap_or(Err(Why::Missing))
        }
        Value::Array(array) => {
            let index = index(token).ok_or(Why::NoIndex)?;
            let edit = |value: &mut Value| at_place(value, rest, act);
            let outcome = Arc::make_mut(array).edit(index, edit);
            outcome.unwrap_or(Err(Why::NoIndex))
        }
        _ => Err(Why::Missing),
    }
}

/// RFC 7396, section 2.
fn merge_into(target: &mut Value, partial: &Value) {
    let Value::Object(members) = partial else {
        *target = partial.clone();
        return;
    };
    if !matches!(target, Value::Object(_)) {
        *target = Value::Object(Arc::default());
    }
    let Value::Object(object) = target else {
        return;
    };
    for (key, value) in members.iter() {
        match value {
            Value::Null => {
                if object.get(key).is_some() {
                    Arc::make_mut(object).remove(key);
                }
            }
            value => {
                let object = Arc::make_mut(object);
                if object.edit(key, |old| merge_into(old, value)).is_none() {
                    let mut new = Value::Null;
                    merge_into(&mut new, value);
                    object.insert(Arc::clone(key), new);
                }
            }
        }
    }
}
