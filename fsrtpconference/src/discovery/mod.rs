// SPDX-License-Identifier: MPL-2.0
//! Which codecs this machine can send and receive.
//!
//! [`registry`] reads the pad templates of installed elements (no element is made for
//! that), [`pairing`] finds what goes together. The result is kept per media type until
//! the registry changes.

mod pairing;
mod registry;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use farstream::MediaType;
use farstream::blueprint::Blueprint;
use parking_lot::Mutex;

use registry::Factory;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "fsrtpconference-disco",
        gst::DebugColorFlags::empty(),
        Some("Codec discovery of fsrtpconference"),
    )
});

/// Blueprints that are shared by all sessions of one media type.
pub type Blueprints = Arc<[Arc<Blueprint>]>;

/// What was read, and made of it, while the registry was in one state.
#[derive(Default)]
struct Cache {
    cookie: u32,
    factories: Option<Arc<[Factory]>>,
    blueprints: HashMap<MediaType, Blueprints>,
}

static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

/// Every codec of this media type that installed elements can send and receive, best
/// first.
pub fn blueprints(media: MediaType) -> Blueprints {
    let cookie = gst::Registry::get().feature_list_cookie();
    let mut cache = CACHE.lock();
    if cache.cookie != cookie {
        *cache = Cache {
            cookie,
            ..Cache::default()
        };
    }
    if let Some(blueprints) = cache.blueprints.get(&media) {
        return blueprints.clone();
    }
    let factories = cache
        .factories
        .get_or_insert_with(|| registry::factories().into());
    let blueprints: Blueprints = pairing::pair(media, factories)
        .into_iter()
        .map(Arc::new)
        .collect();
    cache.blueprints.insert(media, blueprints.clone());
    drop(cache);
    gst::debug!(CAT, "{} {media} codecs", blueprints.len());
    for blueprint in blueprints.iter() {
        gst::debug!(
            CAT,
            "{}: send {:?} receive {:?}",
            blueprint.codec,
            blueprint.send,
            blueprint.receive
        );
    }
    blueprints
}
