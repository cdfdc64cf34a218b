//! Sorts the functions of a wasm so that similar ones are neighbours, which compresses better.
//!
//! It changes only the order, and the indices by which functions are called. It is the last step,
//! because wasm-opt has an order of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// How many bytes in a row make two functions similar. Chosen: two or five give a larger result.
const RUN: usize = 3;

/// The same module with its functions sorted.
pub(crate) fn ordered(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut imports = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imports += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    let old = chain(&bodies);
    let mut new = vec![0; old.len()];
    for (number, old) in old.iter().enumerate() {
        if let Some(new) = new.get_mut(*old) {
            *new = imports + number;
        }
    }
    let mut module = Module::new();
    let mut order = Order { imports, old, new };
    order.parse_core_module(&mut module, Parser::new(0), bytes)?;
    Ok(module.finish())
}

/// The old indices in the new order. The largest function comes first. Each next one is the
/// function of whose runs the one before it has the largest share.
fn chain(bodies: &[&[u8]]) -> Vec<usize> {
    let mut having: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut runs = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        let mut own: Vec<&[u8]> = body.windows(RUN).collect();
        own.sort_unstable();
        own.dedup();
        for run in &own {
            having.entry(run).or_default().push(number);
        }
        runs.push(own);
    }
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::new();
    let size = |number: &usize| bodies.get(*number).map(|body| body.len());
    let mut next = left.iter().copied().max_by_key(size);
    while let Some(last) = next {
        order.push(last);
        left.retain(|number| *number != last);
        let own = runs.get(last).map(Vec::as_slice).unwrap_or_default();
        let mut shared = vec![0_u32; bodies.len()];
        for number in own.iter().filter_map(|run| having.get(run)).flatten() {
            if let Some(shared) = shared.get_mut(*number) {
                *shared += 1;
            }
        }
        let likeness = |number: &usize| {
            let shared = f64::from(shared.get(*number).copied().unwrap_or_default());
            let runs = runs.get(*number).map_or(0, Vec::len).max(1);
            shared / f64::from(u32::try_from(runs).unwrap_or(u32::MAX))
        };
        // The first of equals, so that the same input gives the same output.
        next = left
            .iter()
            .copied()
            .rev()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    }
    order
}

struct Order {
    /// The number of imported functions. Their indices come before those of the module's own.
    imports: usize,
    /// The old indices in the new order.
    old: Vec<usize>,
    /// The new indices in the old order.
    new: Vec<usize>,
}

impl Order {
    /// `items` in the new order.
    fn sorted<T: Clone>(&self, items: &[T]) -> Vec<T> {
        let items = self.old.iter().filter_map(|old| items.get(*old));
        items.cloned().collect()
    }
}

type Written = Result<(), reencode::Error<Infallible>>;

impl Reencode for Order {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Result<u32, reencode::Error<Infallible>> {
        let own = usize::try_from(number).ok();
        let own = own.and_then(|number| number.checked_sub(self.imports));
        let new = own.and_then(|own| self.new.get(own));
        Ok(new
            .and_then(|new| u32::try_from(*new).ok())
            .unwrap_or(number))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Written {
        let types = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for kind in self.sorted(&types) {
            functions.function(self.type_index(kind)?);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Written {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for body in self.sorted(&bodies) {
            self.parse_function_body(code, body)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        ExportKind, ExportSection, Function, ImportSection, Instruction, TypeSection, ValType,
    };
    use wasmparser::{Operator, Validator};

    use super::*;

    /// A module with one import and three functions of its own. The first and the last are similar.
    /// The first calls the second.
    fn module() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([], [ValType::I64]);
        let mut imports = ImportSection::new();
        imports.import("m", "f", wasm_encoder::EntityType::Function(0));
        let mut functions = FunctionSection::new();
        functions.function(0).function(1).function(0);
        let mut exports = ExportSection::new();
        exports.export("first", ExportKind::Func, 1);
        let like = |first: &[Instruction<'_>]| {
            let mut function = Function::new([]);
            for instruction in first {
                function.instruction(instruction);
            }
            for number in 1000..1010 {
                function.instruction(&Instruction::I32Const(number));
                function.instruction(&Instruction::Drop);
            }
            function.instruction(&Instruction::End);
            function
        };
        let mut middle = Function::new([]);
        middle.instruction(&Instruction::I64Const(7));
        middle.instruction(&Instruction::End);
        let mut code = CodeSection::new();
        code.function(&like(&[Instruction::Call(2), Instruction::Drop]));
        code.function(&middle).function(&like(&[]));
        let mut module = Module::new();
        let module = module.section(&types).section(&imports).section(&functions);
        module.section(&exports).section(&code).as_slice().to_vec()
    }

    /// The exported function, the one that it calls first, and the sizes of all.
    fn describe(module: &[u8]) -> (u32, u32, Vec<usize>) {
        Validator::new().validate_all(module).unwrap();
        let (mut exported, mut called, mut sizes) = (0, Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            match payload.unwrap() {
                Payload::ExportSection(exports) => {
                    exported = exports.into_iter().next().unwrap().unwrap().index;
                }
                Payload::CodeSectionEntry(body) => {
                    sizes.push(body.as_bytes().len());
                    let mut operators = body.get_operators_reader().unwrap().into_iter();
                    called.push(operators.find_map(|operator| match operator.unwrap() {
                        Operator::Call { function_index } => Some(function_index),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
        let own = usize::try_from(exported - 1).unwrap();
        (exported - 1, called[own].unwrap() - 1, sizes)
    }

    #[test]
    fn similar_functions_become_neighbours_and_are_called_and_exported_as_before() {
        let before = module();
        let (exported, called, sizes) = describe(&before);
        assert_eq!((exported, called), (0, 1));
        let after = ordered(&before).unwrap();
        let (exported, called, new_sizes) = describe(&after);
        assert_eq!((exported, called), (0, 2), "{new_sizes:?}");
        assert_eq!(new_sizes, [sizes[0], sizes[2], sizes[1]]);
    }

    #[test]
    fn the_same_module_gives_the_same_bytes() {
        assert_eq!(ordered(&module()).unwrap(), ordered(&module()).unwrap());
    }
}
