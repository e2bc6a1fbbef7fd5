//! Components around components: the same exports, with imports or sections that an honest toolchain would not write.

use wasm_encoder::{
    ComponentBuilder, ComponentExportKind, ComponentTypeRef, CustomSection, InstanceType, Section as _,
};

/// A component that imports an (empty) instance of each of these names and passes on one export of `inner`, which must
/// import nothing.
pub fn importing(names: &[&str], inner: &[u8], export: &str) -> Vec<u8> {
    let mut outer = ComponentBuilder::default();
    let empty = outer.type_instance(None, &InstanceType::new());
    for name in names {
        outer.import(*name, ComponentTypeRef::Instance(empty));
    }
    let inner = outer.component_raw(None, inner);
    let instance = outer.instantiate(None, inner, Vec::<(&str, _, _)>::new());
    let exported = outer.alias_export(instance, export, ComponentExportKind::Instance);
    outer.export(export, ComponentExportKind::Instance, exported, None);
    outer.finish()
}

/// A valid component that exports nothing at all.
pub fn exporting_nothing() -> Vec<u8> {
    ComponentBuilder::default().finish()
}

/// The same component with one more custom section at its end.
pub fn with_section(component: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let mut file = component.to_vec();
    CustomSection { name: name.into(), data: data.into() }.append_to(&mut file);
    file
}
