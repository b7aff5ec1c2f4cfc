// SPDX-License-Identifier: MPL-2.0
//! Reads from the registry what pairing needs to know of each element.

use std::sync::LazyLock;

use gst::prelude::*;

/// What an element does in a codec bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes RTP packets.
    Payloader,
    /// Reads RTP packets.
    Depayloader,
    /// Makes an encoded format.
    Encoder,
    /// Reads an encoded format.
    Decoder,
}

/// Caps of a factory's templates, parsed when somebody looks: most elements are out of
/// the question after a look at one side.
pub type TemplateCaps = LazyLock<gst::Caps, Box<dyn FnOnce() -> gst::Caps + Send>>;

/// An element as its factory describes it.
pub struct Factory {
    /// Name of the factory.
    pub name: String,
    /// Rank; higher is better.
    pub rank: i32,
    /// What it does.
    pub role: Role,
    /// What its always pads take.
    pub sink: TemplateCaps,
    /// What its always pads give.
    pub src: TemplateCaps,
}

/// All payloaders, depayloaders, encoders and decoders that are meant to be used
/// automatically (rank above none), best first.
pub fn factories() -> Vec<Factory> {
    let mut list: Vec<_> = gst::Registry::get()
        .features(gst::ElementFactory::static_type())
        .into_iter()
        .filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok())
        .filter(|factory| factory.rank() > gst::Rank::NONE)
        .filter_map(|factory| {
            let role = role(factory.metadata(gst::ELEMENT_METADATA_KLASS)?)?;
            let caps = |direction| -> TemplateCaps {
                let factory = factory.clone();
                LazyLock::new(Box::new(move || always_caps(&factory, direction)))
            };
            Some(Factory {
                name: factory.name().into(),
                rank: factory.rank().into(),
                role,
                sink: caps(gst::PadDirection::Sink),
                src: caps(gst::PadDirection::Src),
            })
        })
        .collect();
    list.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.name.cmp(&b.name)));
    list
}

/// The role a klass string stands for.
fn role(klass: &str) -> Option<Role> {
    let has = |token: &str| klass.split('/').any(|t| t.eq_ignore_ascii_case(token));
    if has("Network") && has("Payloader") {
        Some(Role::Payloader)
    } else if has("Network") && (has("Depayloader") || has("Depayr")) {
        Some(Role::Depayloader)
    } else if has("Encoder") {
        Some(Role::Encoder)
    } else if has("Decoder") {
        Some(Role::Decoder)
    } else {
        None
    }
}

fn always_caps(factory: &gst::ElementFactory, direction: gst::PadDirection) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    for template in factory.static_pad_templates() {
        if template.direction() == direction && template.presence() == gst::PadPresence::Always {
            caps.make_mut().append(template.caps());
        }
    }
    caps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn klass_tokens_tell_the_role() {
        assert_eq!(role("Codec/Payloader/Network/RTP"), Some(Role::Payloader));
        assert_eq!(
            role("Codec/Depayloader/Network/RTP"),
            Some(Role::Depayloader)
        );
        assert_eq!(role("Codec/Encoder/Video"), Some(Role::Encoder));
        assert_eq!(role("Encoder/Video"), Some(Role::Encoder));
        assert_eq!(role("Codec/Decoder/Audio/Hardware"), Some(Role::Decoder));
        assert_eq!(role("Filter/Network/RTP"), None);
    }
}
