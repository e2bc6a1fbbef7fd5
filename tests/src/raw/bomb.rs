//! Valid code that costs a compiler far more than it costs its author.

use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentSectionId, Function, FunctionSection, Module, ModuleSection,
    RawSection, TypeSection, ValType,
};

/// A component that carries one more core module, which nothing ever instantiates: it is compiled all the same.
pub fn with_core_module(component: &[u8], module: &Module) -> Vec<u8> {
    let mut extra = Component::new();
    extra.section(&ModuleSection(module));
    let mut file = component.to_vec();
    // A component's sections come in any order; the header of the second component is left out.
    file.extend_from_slice(&extra.finish()[8..]);
    file
}

/// As [`with_core_module`], for a module that is bytes already.
pub fn with_raw_module(component: &[u8], module: &[u8]) -> Vec<u8> {
    let mut extra = Component::new();
    extra.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: module });
    let mut file = component.to_vec();
    file.extend_from_slice(&extra.finish()[8..]);
    file
}

/// So many functions, each some hundred instructions long.
pub fn many_functions(count: u32) -> Module {
    module(count, |function, seed| arithmetic(function, 40, seed))
}

/// One function of so many arithmetic steps, all of whose values stay alive to its end.
pub fn long_function(steps: u32) -> Module {
    module(1, |function, seed| arithmetic(function, steps, seed))
}

/// One function of so many blocks within blocks, each with a way out of all of them.
pub fn deeply_nested(depth: u32) -> Module {
    module(1, |function, _| {
        let mut code = function.instructions();
        for _ in 0..depth {
            code.block(BlockType::Empty);
        }
        for level in 0..depth {
            code.local_get(0).i32_wrap_i64().br_if(depth - level - 1).end();
        }
        code.local_get(0);
    })
}

fn module(count: u32, body: impl Fn(&mut Function, u32)) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I64], [ValType::I64]);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for index in 0..count {
        functions.function(0);
        let mut function = Function::new([(1, ValType::I64)]);
        body(&mut function, index);
        function.instructions().end();
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// Steps no compiler can fold away or share: each mixes what came before.
fn arithmetic(function: &mut Function, steps: u32, seed: u32) {
    let mut code = function.instructions();
    code.local_get(0);
    for step in 0..steps {
        code.local_tee(1)
            .i64_const(i64::from(step ^ seed) | 1)
            .i64_mul()
            .local_get(1)
            .i64_rotl()
            .local_get(0)
            .i64_xor();
    }
}
