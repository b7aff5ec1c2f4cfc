// SPDX-License-Identifier: MPL-2.0
//! Element properties that make codecs fit for a call: no look-ahead, small packets,
//! a picture that starts and heals at once.

use gst::prelude::*;

/// Factory, property, value in gst-launch syntax. Values are for 1.22 and later; a
/// property that an element does not have is passed over.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("rtpbin", "latency", "100"),
    // Voice over the Internet: 20 ms packets, in-band correction of single losses.
    ("opusenc", "audio-type", "voice"),
    ("opusenc", "frame-size", "20"),
    ("opusenc", "inband-fec", "true"),
    ("opusdec", "use-inband-fec", "true"),
    // Sample formats send 20 ms a packet whatever comes in (RFC 3551 section 4.2).
    ("rtppcmupay", "ptime-multiple", "20000000"),
    ("rtppcmupay", "max-ptime", "20000000"),
    ("rtppcmapay", "ptime-multiple", "20000000"),
    ("rtppcmapay", "max-ptime", "20000000"),
    ("rtpg722pay", "ptime-multiple", "20000000"),
    ("rtpg722pay", "max-ptime", "20000000"),
    ("rtpL16pay", "max-ptime", "20000000"),
    // Speed over size; key frames on demand and every few seconds.
    ("vp8enc", "target-bitrate", "256000"),
    ("vp8enc", "deadline", "1"),
    ("vp8enc", "cpu-used", "4"),
    ("vp8enc", "lag-in-frames", "0"),
    ("vp8enc", "error-resilient", "default"),
    ("vp8enc", "end-usage", "cbr"),
    ("vp8enc", "keyframe-max-dist", "300"),
    ("vp9enc", "target-bitrate", "256000"),
    ("vp9enc", "deadline", "1"),
    ("vp9enc", "cpu-used", "8"),
    ("vp9enc", "lag-in-frames", "0"),
    ("vp9enc", "error-resilient", "default"),
    ("vp9enc", "end-usage", "cbr"),
    ("vp9enc", "keyframe-max-dist", "300"),
    ("av1enc", "target-bitrate", "256"),
    ("av1enc", "usage-profile", "realtime"),
    ("av1enc", "cpu-used", "9"),
    ("av1enc", "lag-in-frames", "0"),
    ("av1enc", "end-usage", "cbr"),
    ("x264enc", "bitrate", "256"),
    ("x264enc", "tune", "zerolatency"),
    ("x264enc", "speed-preset", "veryfast"),
    ("x264enc", "byte-stream", "true"),
    ("x264enc", "bframes", "0"),
    ("x264enc", "b-adapt", "false"),
    ("x264enc", "cabac", "false"),
    ("x264enc", "dct8x8", "false"),
    ("x264enc", "threads", "1"),
    ("x264enc", "aud", "false"),
    ("x264enc", "key-int-max", "300"),
    ("x265enc", "bitrate", "256"),
    ("x265enc", "tune", "zerolatency"),
    ("x265enc", "speed-preset", "ultrafast"),
    ("x265enc", "key-int-max", "300"),
    ("openh264enc", "bitrate", "256000"),
    ("openh264enc", "complexity", "low"),
    ("openh264enc", "rate-control", "bitrate"),
    ("openh264enc", "usage-type", "camera"),
    ("openh264enc", "gop-size", "300"),
    ("theoraenc", "bitrate", "256"),
    ("theoraenc", "speed-level", "2"),
    // Parameter sets with every key frame, so that a decoder can begin at any of them.
    ("rtph264pay", "config-interval", "-1"),
    ("rtph264pay", "aggregate-mode", "zero-latency"),
    ("rtph265pay", "config-interval", "-1"),
    ("rtph265pay", "aggregate-mode", "zero-latency"),
];

/// Sets the defaults for an element just made.
pub fn apply(element: &gst::Element) {
    apply_if(element, |_| true);
}

/// Sets the defaults for an element that the user may have set up before, where that was
/// not done.
pub fn apply_where_untouched(element: &gst::Element) {
    apply_if(element, |pspec| {
        let current = element.property_value(pspec.name());
        current.compare(pspec.default_value()) == Some(std::cmp::Ordering::Equal)
    });
}

fn apply_if(element: &gst::Element, wanted: impl Fn(&glib::ParamSpec) -> bool) {
    let Some(factory) = element.factory() else {
        return;
    };
    let factory = factory.name();
    for (_, property, value) in DEFAULTS.iter().filter(|(name, _, _)| factory == *name) {
        let Some(pspec) = element.find_property(property).filter(&wanted) else {
            continue;
        };
        match glib::Value::deserialize_with_pspec(value, &pspec) {
            Ok(value) if value.type_().is_a(pspec.value_type()) => {
                element.set_property_from_value(property, &value);
            }
            _ => gst::warning!(
                gst::CAT_DEFAULT,
                obj = element,
                "default {property}={value} does not fit"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_set_stays() {
        gst::init().unwrap();
        let make = || gst::ElementFactory::make("rtpbin").build().unwrap();
        let untouched = make();
        apply_where_untouched(&untouched);
        assert_eq!(untouched.property::<u32>("latency"), 100);
        let touched = make();
        touched.set_property("latency", 50u32);
        apply_where_untouched(&touched);
        assert_eq!(touched.property::<u32>("latency"), 50);
    }

    #[test]
    fn every_default_fits_the_installed_elements() {
        gst::init().unwrap();
        for (factory, property, value) in DEFAULTS {
            let Ok(element) = gst::ElementFactory::make(factory).build() else {
                println!("skipped: {factory} is not installed");
                continue;
            };
            let pspec = element
                .find_property(property)
                .unwrap_or_else(|| panic!("{factory} has no {property}"));
            let value = glib::Value::deserialize_with_pspec(value, &pspec)
                .unwrap_or_else(|_| panic!("{factory} {property} does not take {value}"));
            apply(&element);
            let compared = element.property_value(property);
            assert_eq!(
                compared.compare(&value),
                Some(std::cmp::Ordering::Equal),
                "{factory} {property}"
            );
        }
    }
}
