//! A component file with another `skill.toml` than it was built with: the same code under another digest.

/// The custom section that holds it.
const SECTION: &str = "openclaw:skill.toml";

/// The component with this `skill.toml` in place of its own.
pub fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    let (preamble, mut rest) = component.split_at(8);
    let mut made = preamble.to_vec();
    while let Some((id, after)) = rest.split_first() {
        let (size, length_bytes) = number(after);
        let end = 1 + length_bytes + size;
        let section = &rest[..end];
        let is_manifest = *id == 0 && name(&after[length_bytes..]) == SECTION.as_bytes();
        if !is_manifest {
            made.extend_from_slice(section);
        }
        rest = &rest[end..];
    }
    let mut body = leb(SECTION.len());
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(manifest.as_bytes());
    made.push(0);
    made.extend(leb(body.len()));
    made.extend(body);
    made
}

fn name(section: &[u8]) -> &[u8] {
    let (length, bytes) = number(section);
    &section[bytes..bytes + length]
}

/// A LEB128 number, and how many bytes it is written in.
fn number(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return (value, at + 1);
        }
    }
    panic!("a number in a component ends")
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
