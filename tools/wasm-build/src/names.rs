//! Short names for the imports and exports of a wasm.
//!
//! wasm-bindgen puts a hash into most of them. Hashes do not compress, and both the wasm and its
//! bindings contain them. The wasm is renamed here. `tools/scripts/lib/bindings.mjs` renames the
//! bindings by the list of names.

/// A name of the generated code, and the one that replaces it.
pub(crate) type Renamed = (String, String);

/// Replaces each name that contains a hash by `$` and a number, and returns the replaced ones.
///
/// A name for a closure keeps that word, because js/src/instance.ts goes by it.
pub(crate) fn shorten<'a>(
    names: impl Iterator<Item = &'a mut String>,
    from: usize,
) -> Vec<Renamed> {
    let mut renamed = Vec::new();
    for name in names.filter(|name| has_hash(name)) {
        let kind = if name.contains("closure") {
            "closure"
        } else {
            ""
        };
        let short = format!("{kind}${}", from + renamed.len());
        renamed.push((std::mem::replace(name, short.clone()), short));
    }
    renamed
}

/// The lists as JSON: for imports and for exports an object from each name to its replacement.
/// Names are identifiers, so nothing in them needs an escape.
pub(crate) fn to_json(imports: &[Renamed], exports: &[Renamed]) -> String {
    let object = |renamed: &[Renamed]| {
        let members = renamed
            .iter()
            .map(|(long, short)| format!("\n    \"{long}\": \"{short}\""));
        format!("{{{}\n  }}", members.collect::<Vec<_>>().join(","))
    };
    let (imports, exports) = (object(imports), object(exports));
    format!("{{\n  \"imports\": {imports},\n  \"exports\": {exports}\n}}\n")
}

/// Whether a part between underscores is a hash: sixteen hexadecimal digits, perhaps after an `h`.
fn has_hash(name: &str) -> bool {
    name.split('_').any(|part| {
        let digits = part.strip_prefix('h').unwrap_or(part);
        digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPORT: &str = "__wbg_set_639e69af35614d36";
    const CLOSURE: &str = "wasm_bindgen__convert__closures_____invoke__h0ddc89bb17c54a20_34";

    #[test]
    fn only_names_with_a_hash_are_replaced_and_closures_can_be_told_apart() {
        let mut names = [IMPORT, "core_close", CLOSURE, "__wbindgen_throw"].map(String::from);
        let renamed = shorten(names.iter_mut(), 0);
        assert_eq!(names, ["$0", "core_close", "closure$1", "__wbindgen_throw"]);
        let pairs = [(IMPORT, "$0"), (CLOSURE, "closure$1")];
        assert_eq!(
            renamed,
            pairs.map(|(long, short)| (long.to_owned(), short.to_owned()))
        );
    }

    #[test]
    fn the_list_is_json() {
        let one = [(IMPORT.to_owned(), "$0".to_owned())];
        let wanted = format!(
            "{{\n  \"imports\": {{\n    \"{IMPORT}\": \"$0\"\n  }},\n  \"exports\": {{\n  }}\n}}\n"
        );
        assert_eq!(to_json(&one, &[]), wanted);
    }
}
