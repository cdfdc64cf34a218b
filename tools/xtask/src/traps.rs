//! Panics without their words: in an object file, a call that can only end in a panic becomes the trap that it ends in.
//!
//! Nobody hears what a panic of a client says, because there is no hook that would tell it. Yet its words, its places and all that
//! writes them are a tenth of the client. With the calls gone the linker leaves out what only they needed, and keeps what else is in use.
//!
//! What can't return is known by the `unreachable` that LLVM puts behind each such call. Of these only calls into the standard
//! library are taken: what other crates do at their end, such as throwing an exception, is their own.

use std::error::Error;
use std::ops::Range;

use wasmparser::{
    FunctionBody, KnownCustom, Linking, Operator, Parser, Payload, RelocSectionReader,
    RelocationType, SymbolInfo,
};

const UNREACHABLE: u8 = 0x00;
const NOP: u8 = 0x01;
const END: u8 = 0x0b;
const CUSTOM_SECTION: u8 = 0;

/// What is read of an object file. All places are in the file.
#[derive(Default)]
struct Object<'a> {
    sections: Vec<Range<usize>>,
    bodies: Vec<FunctionBody<'a>>,
    /// The section of the code, by its number.
    code: Option<usize>,
    symbols: Vec<SymbolInfo<'a>>,
    /// By the number of the section that each is in.
    relocations: Vec<(usize, RelocSectionReader<'a>)>,
}

/// A place in the code that the linker fills in.
struct Hole {
    at: usize,
    /// The operand of a call that may become a trap.
    is_standard_call: bool,
    /// Its entry in the list of such places.
    entry: Range<usize>,
}

/// An object file with traps.
pub(crate) fn trapped(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let object = read(bytes)?;
    let Some((section, list)) = object.of_code() else {
        return Ok(bytes.to_vec());
    };
    let holes = object.holes(list)?;
    let mut ends = Vec::new();
    for body in &object.bodies {
        ends.extend(dead_ends(bytes, body, &holes)?);
    }
    let mut trapped = bytes.to_vec();
    for end in &ends {
        let code = trapped.get_mut(end.clone()).ok_or("code beyond the file")?;
        code.fill(NOP);
        if let Some(first) = code.first_mut() {
            *first = UNREACHABLE;
        }
    }
    // What stood there is asked for no longer.
    let is_kept = |hole: &&Hole| !ends.iter().any(|end| end.contains(&hole.at));
    let kept: Vec<&Hole> = holes.iter().filter(is_kept).collect();
    let content = object.sections.get(section).cloned().unwrap_or_default();
    let slice = |range: Range<usize>| bytes.get(range).ok_or("a section beyond the file");
    let mut fresh = slice(content.start..list.entries().range().start)?.to_vec();
    push_leb(&mut fresh, kept.len());
    for hole in kept {
        fresh.extend(slice(hole.entry.clone())?);
    }
    let before = section.checked_sub(1);
    let before = before.and_then(|before| object.sections.get(before));
    let start = before.map_or(0, |before| before.end);
    let mut header = vec![CUSTOM_SECTION];
    push_leb(&mut header, fresh.len());
    trapped.splice(start..content.end, header.into_iter().chain(fresh));
    Ok(trapped)
}

fn read(bytes: &[u8]) -> Result<Object<'_>, Box<dyn Error>> {
    let mut object = Object::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let number = object.sections.len();
        if let Some((_, content)) = payload.as_section() {
            object.sections.push(content);
        }
        match payload {
            Payload::CodeSectionStart { .. } => object.code = Some(number),
            Payload::CodeSectionEntry(body) => object.bodies.push(body),
            Payload::CustomSection(custom) => match custom.as_known() {
                KnownCustom::Linking(linking) => {
                    for part in linking.subsections() {
                        if let Linking::SymbolTable(symbols) = part? {
                            object.symbols = symbols.into_iter().collect::<Result<_, _>>()?;
                        }
                    }
                }
                KnownCustom::Reloc(list) => object.relocations.push((number, list)),
                _ => {}
            },
            _ => {}
        }
    }
    Ok(object)
}

impl<'a> Object<'a> {
    /// The places in the code that the linker fills in, and the number of the section that lists them.
    fn of_code(&self) -> Option<(usize, &RelocSectionReader<'a>)> {
        let code = u32::try_from(self.code?).ok()?;
        let mut lists = self.relocations.iter();
        let (number, list) = lists.find(|(_, list)| list.section_index() == code)?;
        Some((*number, list))
    }

    /// In the order in which they stand.
    fn holes(&self, list: &RelocSectionReader<'_>) -> Result<Vec<Hole>, Box<dyn Error>> {
        let code = self.code.and_then(|code| self.sections.get(code));
        let code = code.map_or(0, |code| code.start);
        let mut holes: Vec<Hole> = Vec::new();
        for entry in list.entries().into_iter_with_offsets() {
            let (start, entry) = entry?;
            if let Some(last) = holes.last_mut() {
                last.entry.end = start;
            }
            holes.push(Hole {
                at: code + entry.relocation_range().start,
                is_standard_call: entry.ty == RelocationType::FunctionIndexLeb
                    && self.is_standard(entry.index),
                entry: start..list.range().end,
            });
        }
        Ok(holes)
    }

    fn is_standard(&self, symbol: u32) -> bool {
        let symbol = usize::try_from(symbol).ok();
        match symbol.and_then(|symbol| self.symbols.get(symbol)) {
            Some(SymbolInfo::Func { name, .. }) => name.is_some_and(is_of_standard_library),
            _ => false,
        }
    }
}

/// Whether a mangled name is one of `core`, `alloc` or `std`: `_R`, what it is, then its crate as `Cs`, a hash, `_` and the name.
fn is_of_standard_library(name: &str) -> bool {
    let path = name.strip_prefix("_R");
    let of_crate = path.and_then(|path| path.split_once("Cs")?.1.split_once('_'));
    let is_one = |name: &str| {
        ["4core", "5alloc", "3std"]
            .iter()
            .any(|one| name.starts_with(one))
    };
    of_crate.is_some_and(|(_, name)| is_one(name))
}

/// What leads to nothing but a panic in a function: each such call, with what has been made ready for it.
fn dead_ends(
    bytes: &[u8],
    body: &FunctionBody<'_>,
    holes: &[Hole],
) -> Result<Vec<Range<usize>>, Box<dyn Error>> {
    let mut ends = Vec::new();
    let mut operators = body.get_operators_reader()?;
    let mut straight = operators.original_position();
    while !operators.eof() {
        let at = operators.original_position();
        let operator = operators.read()?;
        let next = operators.original_position();
        if matches!(operator, Operator::Call { .. }) {
            let operand = at + 1;
            let hole = holes.binary_search_by_key(&operand, |hole| hole.at).ok();
            let is_standard = hole
                .and_then(|hole| holes.get(hole))
                .is_some_and(|hole| hole.is_standard_call);
            if is_standard && is_end(bytes, next) {
                ends.push(straight..next);
            }
        }
        if !is_straight(&operator) {
            straight = next;
        }
    }
    Ok(ends)
}

/// Whether nothing comes but a trap, perhaps behind the end of blocks.
fn is_end(bytes: &[u8], next: usize) -> bool {
    let mut rest = bytes.iter().skip(next);
    rest.find(|byte| **byte != END) == Some(&UNREACHABLE)
}

/// Whether an operator does no more than make values ready, on the stack or in memory. What it has done before a trap nobody sees.
fn is_straight(operator: &Operator<'_>) -> bool {
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

    /// An object file whose first function is `before`, a call of the second one, which has this name, and `behind`.
    fn object(name: &str, before: &[u8], behind: &[u8]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut functions = FunctionSection::new();
        functions.function(0).function(0);
        let mut caller = Function::new([(2, wasm_encoder::ValType::I32)]);
        caller.raw(before.iter().copied().chain(CALL));
        caller.raw(behind.iter().copied());
        let mut callee = Function::new([]);
        callee.raw([END]);
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
        // In the third section one hole: a function's number, there, the second symbol's.
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
    fn a_call_that_can_only_panic_becomes_a_trap_and_asks_the_linker_for_nothing() {
        // local.get 0, i32.const 7, local.set 1: what is made ready for it.
        let object = object(PANIC, &[0x20, 0, 0x41, 7, 0x21, 1], &[UNREACHABLE, END]);
        let trapped = trapped(&object).unwrap();
        let (locals, code) = first_body(&trapped).split_at(3);
        assert_eq!(locals, first_body(&object).split_at(3).0);
        assert_eq!(code[0], UNREACHABLE);
        assert!(code[1..12].iter().all(|byte| *byte == NOP), "{code:?}");
        assert_eq!(code[12..], [UNREACHABLE, END]);
        let after = read(&trapped).unwrap();
        assert_eq!(after.relocations[0].1.entries().count(), 0);
        wasmparser::validate(&trapped).unwrap();
    }

    #[test]
    fn what_is_done_before_it_in_calls_and_branches_stays() {
        // block, end: control flow.
        let object = object(PANIC, &[0x02, 0x40, END], &[UNREACHABLE, END]);
        let trapped = trapped(&object).unwrap();
        let code = first_body(&trapped).split_at(3).1;
        assert_eq!(code[..4], [0x02, 0x40, END, UNREACHABLE]);
        wasmparser::validate(&trapped).unwrap();
    }

    #[test]
    fn a_call_at_the_end_of_a_block_that_ends_in_a_trap_is_one_too() {
        let object = object(PANIC, &[0x02, 0x40], &[END, UNREACHABLE, END]);
        assert_eq!(first_body(&trapped(&object).unwrap())[5], UNREACHABLE);
    }

    #[test]
    fn a_call_that_comes_back_or_that_is_of_another_crate_stays() {
        let comes_back = object(PANIC, &[], &[END]);
        assert_eq!(trapped(&comes_back).unwrap(), comes_back);
        let throws = "_ZN12wasm_bindgen9throw_str17h24a51ebebe3a12eeE";
        let other = "_RNvCsgXGp5Oqx2Ny_8longhaul4core";
        for name in [throws, other] {
            let object = object(name, &[], &[UNREACHABLE, END]);
            assert_eq!(trapped(&object).unwrap(), object, "{name}");
        }
    }
}
