//! Notices that the page goes to sleep or may have slept, or that the network may have changed.
//!
//! The latter are reasons to look, never proofs: what looks open is probed, what waits is hurried.

use std::rc::Weak;

use js_sys::{Reflect, global};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AddEventListenerOptions, Event, EventTarget};

use super::driver::Driver;

/// Listeners, removed when the client goes. What has been handed a signal is removed even where the
/// instance has crashed.
pub(super) struct Lifecycle {
    life: AbortController,
    _heard: Closure<dyn FnMut(Event)>,
}

impl Lifecycle {
    /// None where the browser has no AbortController.
    pub(super) fn new(driver: Weak<Driver>) -> Option<Self> {
        let heard = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let Some(driver) = driver.upgrade() else {
                return;
            };
            let is_hidden = is_hidden();
            driver.hidden(is_hidden);
            match event.type_().as_str() {
                "online" => driver.online(true),
                "offline" => driver.online(false),
                "pagehide" | "freeze" => driver.suspend(),
                "visibilitychange" if is_hidden => {}
                // Each page has one when it is loaded.
                "pageshow" if !property(&event, "persisted").is_truthy() => {}
                _ => driver.woke(),
            }
        });
        let scope: JsValue = global().into();
        let document = property(&scope, "document");
        let network = property(&property(&scope, "navigator"), "connection");
        let life = AbortController::new().ok()?;
        let until = AddEventListenerOptions::new();
        until.set_signal(&life.signal());
        let listen = |target: &JsValue, types: &[&str]| {
            // A worker has no document, and few browsers tell of their network.
            if !property(target, "addEventListener").is_function() {
                return;
            }
            let target: &EventTarget = target.unchecked_ref();
            for kind in types {
                let heard = heard.as_ref().unchecked_ref();
                let _ = target.add_event_listener_with_callback_and_add_event_listener_options(
                    kind, heard, &until,
                );
            }
        };
        listen(&scope, &["online", "offline", "pagehide", "pageshow"]);
        listen(&document, &["visibilitychange", "freeze", "resume"]);
        listen(&network, &["change"]);
        Some(Self {
            life,
            _heard: heard,
        })
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        self.life.abort();
    }
}

pub(super) fn is_hidden() -> bool {
    let document = property(&global().into(), "document");
    property(&document, "visibilityState")
        .as_string()
        .as_deref()
        == Some("hidden")
}

fn property(of: &JsValue, name: &str) -> JsValue {
    if of.is_object() || of.is_function() {
        Reflect::get(of, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
    } else {
        JsValue::UNDEFINED
    }
}
