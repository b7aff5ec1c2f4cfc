// SPDX-License-Identifier: MPL-2.0
//! The conference's pads: their templates, and what a request for one means.

use std::sync::LazyLock;

use farstream::MediaType;

/// Which way media goes through a request pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Media to send.
    Sink,
    /// Media received: the stable pad.
    Src,
}

/// Formats that audio pads may carry: raw, and what allowed caps can name.
const AUDIO: &str = "audio/x-raw; audio/x-opus; audio/x-mulaw; audio/x-alaw; audio/G722; \
    audio/x-speex; audio/AMR; audio/AMR-WB; audio/x-gsm; audio/x-vorbis; audio/x-siren; \
    audio/x-iLBC; audio/x-adpcm; audio/isac; audio/mpeg; audio/x-ac3; audio/ac3";

/// Formats that video pads may carry.
const VIDEO: &str = "video/x-raw; video/x-raw(ANY); video/x-vp8; video/x-vp9; video/x-av1; \
    video/x-h264; video/x-h265; video/x-h263; video/x-h261; video/x-theora; video/mpeg; \
    image/jpeg; image/x-jpc; video/x-dv; video/mpegts";

fn caps(media: MediaType) -> gst::Caps {
    let text = match media {
        MediaType::Audio => AUDIO,
        MediaType::Video => VIDEO,
        MediaType::Application => "ANY",
    };
    text.parse().unwrap_or_else(|_| gst::Caps::new_any())
}

/// All templates.
pub fn templates() -> Vec<gst::PadTemplate> {
    let template = |name: &str, direction, presence, caps: &gst::Caps| {
        gst::PadTemplate::builder(name, direction, presence, caps).build()
    };
    let medias = [MediaType::Audio, MediaType::Video, MediaType::Application];
    let requests = medias.iter().flat_map(|media| {
        [
            (format!("{media}_sink_%u"), gst::PadDirection::Sink),
            (format!("{media}_src_%u"), gst::PadDirection::Src),
        ]
        .map(|(name, direction)| {
            template(&name, direction, gst::PadPresence::Request, &caps(*media))
        })
    });
    let sometimes = template(
        "src_%u_%u_%u",
        gst::PadDirection::Src,
        gst::PadPresence::Sometimes,
        &gst::Caps::new_any(),
    );
    requests
        .chain([sometimes])
        .filter_map(|template| {
            template
                .inspect_err(|error| gst::error!(gst::CAT_DEFAULT, "pad template: {error}"))
                .ok()
        })
        .collect()
}

/// What a request pad is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Kind of media.
    pub media: MediaType,
    /// Which way.
    pub side: Side,
    /// The session asked for; none takes any that is free.
    pub session: Option<u32>,
}

impl Request {
    /// Reads the name of a template and of the pad wished for.
    pub fn parse(template: &str, name: Option<&str>) -> Option<Self> {
        let stem = template.strip_suffix("_%u")?;
        let (media, side) = stem.split_once('_')?;
        let media = MediaType::from_nick(media)?;
        let side = match side {
            "sink" => Side::Sink,
            "src" => Side::Src,
            _ => return None,
        };
        let session = match name {
            None => None,
            Some(name) if name == template => None,
            Some(name) => Some(name.strip_prefix(stem)?.strip_prefix('_')?.parse().ok()?),
        };
        Some(Self {
            media,
            side,
            session,
        })
    }

    /// The pad's name in session `number`.
    pub fn pad_name(&self, number: u32) -> String {
        let side = match self.side {
            Side::Sink => "sink",
            Side::Src => "src",
        };
        format!("{}_{side}_{number}", self.media)
    }
}

/// Templates for the class.
pub static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(templates);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_media_side_and_session() {
        assert_eq!(
            Request::parse("video_src_%u", Some("video_src_12")),
            Some(Request {
                media: MediaType::Video,
                side: Side::Src,
                session: Some(12)
            })
        );
        let open = Request::parse("audio_sink_%u", None).unwrap();
        assert_eq!(open.session, None);
        assert_eq!(open.pad_name(3), "audio_sink_3");
        for (template, name) in [
            ("src_%u_%u_%u", None),
            ("audio_sink_%u", Some("audio_sink_x")),
            ("audio_sink_%u", Some("audio_sink_-1")),
            ("audio_sink_%u", Some("video_sink_1")),
            ("audio_sink_%u", Some("audio_sink_4294967296")),
        ] {
            assert_eq!(Request::parse(template, name), None, "{name:?}");
        }
    }

    #[test]
    fn audio_and_video_templates_do_not_mix() {
        gst::init().unwrap();
        assert_eq!(templates().len(), 7);
        assert!(!caps(MediaType::Audio).can_intersect(&caps(MediaType::Video)));
    }
}
