//! Shorter names between a wasm and its bindings: those with a hash in them do not compress, and stand in both.
//!
//! Knows nothing of what the names mean. A name is an identifier of the generated code, and is changed on both sides or not at all.

/// Short names for those of `names` that end in a hash (and perhaps a number), by their order: `$0`, `$1` and so on. The generated code has
/// no such identifiers of its own. What is for closures keeps that word, because js/src/instance.ts goes by it.
pub(crate) fn shorter<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let hashed = names.filter(|name| has_hash(name));
    let pairs = hashed.enumerate().map(|(i, name)| {
        let kind = if name.contains("closure") {
            "closure"
        } else {
            ""
        };
        (name.to_owned(), format!("{kind}${i}"))
    });
    pairs.collect()
}

/// Whether one of the parts between underscores is a hash: sixteen hexadecimal digits, perhaps after an `h`.
fn has_hash(name: &str) -> bool {
    name.split('_').any(|part| {
        let digits = part.strip_prefix('h').unwrap_or(part);
        digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The generated code with the other names. An error where one of them does not stand there, or a short one does already.
pub(crate) fn renamed(code: &str, names: &[(String, String)]) -> Result<String, String> {
    let is_of_name = |char: char| char.is_alphanumeric() || char == '_' || char == '$';
    let mut renamed = String::with_capacity(code.len());
    let mut seen = vec![false; names.len()];
    let mut rest = code;
    while let Some(start) = rest.find(is_of_name) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|char| !is_of_name(char)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        renamed.push_str(before);
        let at = names.iter().position(|(long, _)| long == word);
        if names.iter().any(|(_, short)| short == word) {
            return Err(format!("the generated code has a {word} of its own"));
        }
        match at.and_then(|at| Some((names.get(at)?, seen.get_mut(at)?))) {
            Some(((_, short), seen)) => {
                *seen = true;
                renamed.push_str(short);
            }
            None => renamed.push_str(word),
        }
        rest = after;
    }
    renamed.push_str(rest);
    match seen.iter().zip(names).find(|(is_seen, _)| !**is_seen) {
        Some((_, (long, _))) => Err(format!("the generated code has no {long}")),
        None => Ok(renamed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "__wbg_set_639e69af35614d36";

    fn names() -> Vec<(String, String)> {
        let closure = "wasm_bindgen__convert__closures_____invoke__h0ddc89bb17c54a20_34";
        shorter([LONG, "core_close", closure, "__wbindgen_throw"].into_iter())
    }

    #[test]
    fn only_names_with_a_hash_are_shorter_and_closures_can_be_told() {
        let names = names();
        let short: Vec<&str> = names.iter().map(|(_, short)| short.as_str()).collect();
        assert_eq!(short, ["$0", "closure$1"]);
    }

    #[test]
    fn whole_words_are_renamed_wherever_they_stand() {
        let code = format!("export function {LONG}(a) {{}}\n{LONG}2; wasm.{LONG}(é)");
        let wanted = format!("export function $0(a) {{}}\n{LONG}2; wasm.$0(é)");
        let only = names().into_iter().take(1).collect::<Vec<_>>();
        assert_eq!(renamed(&code, &only), Ok(wanted));
    }

    #[test]
    fn a_name_that_one_side_lacks_or_a_short_one_that_is_taken_ends_the_build() {
        let only = names().into_iter().take(1).collect::<Vec<_>>();
        assert!(renamed("wasm.core_close()", &only).is_err_and(|why| why.contains(LONG)));
        let taken = format!("let $0 = {LONG};");
        assert!(renamed(&taken, &only).is_err_and(|why| why.contains("$0")));
    }
}
