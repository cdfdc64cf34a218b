//! Replaces a call that can only panic by the trap that the panic ends in, in an object file.
//!
//! The client has no panic hook, so nobody reads the messages of its panics. The linker then omits
//! the texts and the formatting that only these calls needed. It reads three documented forms:
//! object files and relocations (WebAssembly/tool-conventions, Linking.md), instructions (the core
//! specification), and symbols (the rustc book, "Symbol Mangling", by the crate that it names).

use std::error::Error;
use std::ops::Range;

use wasmparser::{
    FunctionBody, KnownCustom, Linking, Operator, Parser, Payload, RelocSectionReader,
    RelocationType, SymbolInfo,
};

// Opcodes of the core specification, "Binary Format, Instructions".
const UNREACHABLE: u8 = 0x00;
const NOP: u8 = 0x01;
const END: u8 = 0x0b;
/// The id of custom sections, in which relocations are.
const CUSTOM_SECTION: u8 = 0;

/// The parts of an object file that matter here. All ranges are in the file.
#[derive(Default)]
struct Object<'a> {
    sections: Vec<Range<usize>>,
    bodies: Vec<FunctionBody<'a>>,
    /// The index of the code section.
    code: Option<usize>,
    symbols: Vec<SymbolInfo<'a>>,
    /// The relocation sections, each with its own index.
    relocations: Vec<(usize, RelocSectionReader<'a>)>,
}

/// A relocation: a place in the code that the linker fills in.
struct Relocation {
    /// The offset in the file that is filled in.
    at: usize,
    /// Whether it is the operand of a call into the standard library.
    is_standard_call: bool,
    /// The relocation's entry in its section.
    entry: Range<usize>,
}

/// The object file with traps, and how many there are.
pub(crate) fn replace_panics(bytes: &[u8]) -> Result<(Vec<u8>, usize), Box<dyn Error>> {
    let object = read(bytes)?;
    let Some((section, list)) = object.code_relocations() else {
        return Ok((bytes.to_vec(), 0));
    };
    let relocations = object.relocations_of(list)?;
    let mut panics = Vec::new();
    for body in &object.bodies {
        panics.extend(find_panics(bytes, body, &relocations)?);
    }
    let mut replaced = bytes.to_vec();
    for panic in &panics {
        let code = replaced
            .get_mut(panic.clone())
            .ok_or("code beyond the file")?;
        code.fill(NOP);
        if let Some(first) = code.first_mut() {
            *first = UNREACHABLE;
        }
    }
    // The linker must not write into the replaced code, nor keep what it referenced.
    let is_kept = |one: &&Relocation| !panics.iter().any(|panic| panic.contains(&one.at));
    let kept: Vec<&Relocation> = relocations.iter().filter(is_kept).collect();
    let content = object.sections.get(section).cloned().unwrap_or_default();
    let slice = |range: Range<usize>| bytes.get(range).ok_or("a section beyond the file");
    let mut fresh = slice(content.start..list.entries().range().start)?.to_vec();
    push_leb(&mut fresh, kept.len());
    for relocation in kept {
        fresh.extend(slice(relocation.entry.clone())?);
    }
    let before = section.checked_sub(1);
    let before = before.and_then(|before| object.sections.get(before));
    let start = before.map_or(0, |before| before.end);
    let mut header = vec![CUSTOM_SECTION];
    push_leb(&mut header, fresh.len());
    replaced.splice(start..content.end, header.into_iter().chain(fresh));
    Ok((replaced, panics.len()))
}

fn read(bytes: &[u8]) -> Result<Object<'_>, Box<dyn Error>> {
    let mut object = Object::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let index = object.sections.len();
        if let Some((_, content)) = payload.as_section() {
            object.sections.push(content);
        }
        match payload {
            Payload::CodeSectionStart { .. } => object.code = Some(index),
            Payload::CodeSectionEntry(body) => object.bodies.push(body),
            Payload::CustomSection(custom) => match custom.as_known() {
                KnownCustom::Linking(linking) => {
                    for part in linking.subsections() {
                        if let Linking::SymbolTable(symbols) = part? {
                            object.symbols = symbols.into_iter().collect::<Result<_, _>>()?;
                        }
                    }
                }
                KnownCustom::Reloc(list) => object.relocations.push((index, list)),
                _ => {}
            },
            _ => {}
        }
    }
    Ok(object)
}

impl<'a> Object<'a> {
    /// The relocation section of the code, with its index.
    fn code_relocations(&self) -> Option<(usize, &RelocSectionReader<'a>)> {
        let code = u32::try_from(self.code?).ok()?;
        let mut lists = self.relocations.iter();
        let (index, list) = lists.find(|(_, list)| list.section_index() == code)?;
        Some((*index, list))
    }

    /// The relocations of a section, in the order of their offsets.
    fn relocations_of(
        &self,
        list: &RelocSectionReader<'_>,
    ) -> Result<Vec<Relocation>, Box<dyn Error>> {
        let code = self.code.and_then(|code| self.sections.get(code));
        let code = code.map_or(0, |code| code.start);
        let mut relocations: Vec<Relocation> = Vec::new();
        for entry in list.entries().into_iter_with_offsets() {
            let (start, entry) = entry?;
            if let Some(last) = relocations.last_mut() {
                last.entry.end = start;
            }
            relocations.push(Relocation {
                at: code + entry.relocation_range().start,
                is_standard_call: entry.ty == RelocationType::FunctionIndexLeb
                    && self.is_standard(entry.index),
                entry: start..list.range().end,
            });
        }
        Ok(relocations)
    }

    fn is_standard(&self, symbol: u32) -> bool {
        let symbol = usize::try_from(symbol).ok();
        match symbol.and_then(|symbol| self.symbols.get(symbol)) {
            Some(SymbolInfo::Func { name, .. }) => name.is_some_and(is_of_standard_library),
            _ => false,
        }
    }
}

/// Whether a symbol is a function of the standard library. Other crates may end in their own way,
/// such as by an exception.
fn is_of_standard_library(symbol: &str) -> bool {
    let Ok(name) = rustc_demangle::try_demangle(symbol) else {
        return false;
    };
    // `core::panicking::panic`, or `<core::option::Option<u8>>::expect` for a method.
    let path = format!("{name:#}");
    let path = path.trim_start_matches('<');
    ["core::", "alloc::", "std::"]
        .iter()
        .any(|root| path.starts_with(root))
}

/// The ranges of a function that only lead to a panic: each such call, with its arguments.
///
/// A call can't return if LLVM has put `unreachable` behind it.
fn find_panics(
    bytes: &[u8],
    body: &FunctionBody<'_>,
    relocations: &[Relocation],
) -> Result<Vec<Range<usize>>, Box<dyn Error>> {
    let mut panics = Vec::new();
    let mut operators = body.get_operators_reader()?;
    let mut arguments = operators.original_position();
    let end = body.range().end;
    while !operators.eof() {
        let at = operators.original_position();
        let operator = operators.read()?;
        let next = operators.original_position();
        if matches!(operator, Operator::Call { .. }) {
            let operand = at + 1;
            let found = relocations.binary_search_by_key(&operand, |one| one.at);
            let is_standard = found
                .ok()
                .and_then(|found| relocations.get(found))
                .is_some_and(|relocation| relocation.is_standard_call);
            let rest = bytes.get(next..end).unwrap_or_default();
            if is_standard && is_trap(rest) {
                panics.push(arguments..next);
            }
        }
        if !is_argument(&operator) {
            arguments = next;
        }
    }
    Ok(panics)
}

/// Whether the rest of a function is a trap, perhaps after the ends of blocks.
fn is_trap(rest: &[u8]) -> bool {
    rest.iter().find(|byte| **byte != END) == Some(&UNREACHABLE)
}

/// Whether an operator only prepares values, on the stack or in memory. Nothing reads them after
/// the trap.
fn is_argument(operator: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(
        operator,
        LocalGet { .. }
            | LocalSet { .. }
            | LocalTee { .. }
            | GlobalGet { .. }
            | GlobalSet { .. }
            | I32Const { .. }
            | I64Const { .. }
            | I32Load { .. }
            | I64Load { .. }
            | I32Store { .. }
            | I32Store8 { .. }
            | I64Store { .. }
            | I32Add
            | I32Sub
            | I64ExtendI32U
            | I64Shl
            | I64Or
    )
}

/// Appends an unsigned LEB128 number.
fn push_leb(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use wasm_encoder::{
        CodeSection, CustomSection, Function, FunctionSection, LinkingSection, Module, SymbolTable,
        TypeSection,
    };

    use super::*;

    const PANIC: &str = "_RNvNtCsgXGp5Oqx2Ny_4core9panicking5panic";

    /// A call of the second function, as LLVM writes it.
    const CALL: [u8; 6] = [0x10, 0x81, 0x80, 0x80, 0x80, 0x00];

    /// An object file with two functions. The first is `before`, a call of the second, `behind`.
    /// The second has the symbol `name`.
    fn object(name: &str, before: &[u8], behind: &[u8]) -> Vec<u8> {
        object_calling(name, before, behind, &[END])
    }

    /// The same, and `called` is the code of the second function.
    fn object_calling(name: &str, before: &[u8], behind: &[u8], called: &[u8]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut functions = FunctionSection::new();
        functions.function(0).function(0);
        let mut caller = Function::new([(2, wasm_encoder::ValType::I32)]);
        caller.raw(before.iter().copied().chain(CALL));
        caller.raw(behind.iter().copied());
        let mut callee = Function::new([]);
        callee.raw(called.iter().copied());
        let mut code = CodeSection::new();
        code.function(&caller).function(&callee);
        let mut symbols = SymbolTable::new();
        symbols.function(0, 0, Some("caller"));
        symbols.function(0, 1, Some(name));
        let mut linking = LinkingSection::new();
        linking.symbol_table(&symbols);
        let mut module = Module::new();
        let module = module.section(&types).section(&functions).section(&code);
        let module = module.section(&linking);
        let start = read(module.as_slice()).unwrap().sections[2].start;
        let call = module.as_slice().windows(6).position(|bytes| bytes == CALL);
        let operand = u8::try_from(call.unwrap() + 1 - start).unwrap();
        // One relocation in section 2: the index of a function, at the operand, of symbol 1.
        let list = Cow::from(vec![2, 1, 0, operand, 1]);
        module.section(&CustomSection {
            name: "reloc.CODE".into(),
            data: list,
        });
        module.as_slice().to_vec()
    }

    fn first_body(object: &[u8]) -> &[u8] {
        read(object).unwrap().bodies[0].as_bytes()
    }

    #[test]
    fn a_call_that_can_only_panic_becomes_a_trap_without_a_relocation() {
        // The arguments: local.get 0, i32.const 7, local.set 1.
        let object = object(PANIC, &[0x20, 0, 0x41, 7, 0x21, 1], &[UNREACHABLE, END]);
        let (replaced, count) = replace_panics(&object).unwrap();
        assert_eq!(count, 1);
        let (locals, code) = first_body(&replaced).split_at(3);
        assert_eq!(locals, first_body(&object).split_at(3).0);
        assert_eq!(code[0], UNREACHABLE);
        assert!(code[1..12].iter().all(|byte| *byte == NOP), "{code:?}");
        assert_eq!(code[12..], [UNREACHABLE, END]);
        let after = read(&replaced).unwrap();
        assert_eq!(after.relocations[0].1.entries().count(), 0);
        wasmparser::validate(&replaced).unwrap();
    }

    #[test]
    fn control_flow_before_the_call_stays() {
        // block, end
        let object = object(PANIC, &[0x02, 0x40, END], &[UNREACHABLE, END]);
        let (replaced, _) = replace_panics(&object).unwrap();
        let code = first_body(&replaced).split_at(3).1;
        assert_eq!(code[..4], [0x02, 0x40, END, UNREACHABLE]);
        wasmparser::validate(&replaced).unwrap();
    }

    #[test]
    fn a_call_at_the_end_of_a_block_before_a_trap_is_replaced_too() {
        let object = object(PANIC, &[0x02, 0x40], &[END, UNREACHABLE, END]);
        let (replaced, _) = replace_panics(&object).unwrap();
        assert_eq!(first_body(&replaced)[5], UNREACHABLE);
    }

    #[test]
    fn the_function_behind_the_last_call_is_no_trap() {
        // The size of the second function, 11, has the number of an `end`. Its number of locals, 0,
        // has the number of a trap.
        let called = [[NOP; 9].as_slice(), &[END]].concat();
        let object = object_calling(PANIC, &[], &[END], &called);
        assert_eq!(replace_panics(&object).unwrap(), (object, 0));
    }

    #[test]
    fn both_forms_of_mangled_names_are_read() {
        let names = [
            "_ZN4core9panicking5panic17h24a51ebebe3a12eeE",
            "_RNvMNtCsgXGp5Oqx2Ny_4core6optionINtB2_6OptionhE6expect",
        ];
        for name in names {
            let object = object(name, &[], &[UNREACHABLE, END]);
            assert_eq!(replace_panics(&object).unwrap().1, 1, "{name}");
        }
    }

    #[test]
    fn a_call_that_returns_and_calls_of_other_crates_stay() {
        let returns = object(PANIC, &[], &[END]);
        assert_eq!(replace_panics(&returns).unwrap(), (returns, 0));
        let throws = "_ZN12wasm_bindgen9throw_str17h24a51ebebe3a12eeE";
        let module = "_RNvCsgXGp5Oqx2Ny_8longhaul4core";
        let exported = "core::panicking::panic";
        for name in [throws, module, exported] {
            let object = object(name, &[], &[UNREACHABLE, END]);
            assert_eq!(replace_panics(&object).unwrap(), (object, 0), "{name}");
        }
    }
}
