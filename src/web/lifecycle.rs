//! Listens for the page's sleep and wake, and for changes of the network.
//!
//! A wake or a change is a hint and proves nothing. The core probes open connections and expedites
//! waiting attempts.

use std::rc::Weak;

use js_sys::{Reflect, global};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AddEventListenerOptions, Event, EventTarget};

use super::delegate::Delegate;

/// Listeners that the signal removes when the client goes. The signal works even after the instance
/// has crashed.
pub(super) struct Lifecycle {
    removal: AbortController,
    _listener: Closure<dyn FnMut(Event)>,
}

impl Lifecycle {
    /// Returns `None` if the browser has no AbortController.
    pub(super) fn new(delegate: Weak<dyn Delegate>) -> Option<Self> {
        let listener = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let Some(delegate) = delegate.upgrade() else {
                return;
            };
            let is_hidden = is_hidden();
            delegate.hidden(is_hidden);
            match event.type_().as_str() {
                "online" => delegate.online(true),
                "offline" => delegate.online(false),
                "pagehide" | "freeze" => delegate.suspend(),
                "visibilitychange" if is_hidden => {}
                // Every page load fires this event.
                "pageshow" if !property(&event, "persisted").is_truthy() => {}
                _ => delegate.woke(),
            }
        });
        let scope: JsValue = global().into();
        let document = property(&scope, "document");
        let network = property(&property(&scope, "navigator"), "connection");
        let removal = AbortController::new().ok()?;
        let options = AddEventListenerOptions::new();
        options.set_signal(&removal.signal());
        let listen = |target: &JsValue, types: &[&str]| {
            // A worker has no document, and few browsers report changes of the network.
            if !property(target, "addEventListener").is_function() {
                return;
            }
            let target: &EventTarget = target.unchecked_ref();
            for kind in types {
                let listener = listener.as_ref().unchecked_ref();
                let _ = target.add_event_listener_with_callback_and_add_event_listener_options(
                    kind, listener, &options,
                );
            }
        };
        listen(&scope, &["online", "offline", "pagehide", "pageshow"]);
        listen(&document, &["visibilitychange", "freeze", "resume"]);
        listen(&network, &["change"]);
        Some(Self {
            removal,
            _listener: listener,
        })
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        self.removal.abort();
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
