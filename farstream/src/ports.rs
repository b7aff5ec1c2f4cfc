// SPDX-License-Identifier: MPL-2.0
//! Which local ports to try for the components of a stream.
//!
//! RTP takes an even port and RTCP the next one (RFC 3550 section 11). A component
//! without a port of its own follows the one before it; a group that cannot have
//! consecutive ports moves up as a whole and keeps its parity.

/// Where the search begins when nobody asks for a port.
pub const FIRST_PORT: u16 = 7078;

/// Components that take consecutive ports: the first one's port decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortGroup {
    first_component: u32,
    components: u16,
    start: u16,
}

/// Groups the components 1 to `wanted.len()`; `wanted` has the port asked for each.
pub fn port_groups(wanted: &[Option<u16>]) -> Vec<PortGroup> {
    let mut groups: Vec<PortGroup> = Vec::new();
    for (component, port) in (1..).zip(wanted) {
        match (groups.last_mut(), port) {
            (Some(group), None) => group.components += 1,
            (_, port) => groups.push(PortGroup {
                first_component: component,
                components: 1,
                start: port.unwrap_or(FIRST_PORT),
            }),
        }
    }
    groups
}

impl PortGroup {
    /// All attempts in order: each a port for every component of the group.
    pub fn attempts(&self) -> impl Iterator<Item = Vec<(u32, u16)>> + '_ {
        // An even step keeps RTP on even ports.
        let step = self.components.next_multiple_of(2);
        std::iter::successors(Some(self.start), move |base| base.checked_add(step)).map_while(
            |base| {
                (0..self.components)
                    .map(|offset| {
                        let port = base.checked_add(offset)?;
                        Some((self.first_component + u32::from(offset), port))
                    })
                    .collect()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(wanted: &[Option<u16>], count: usize) -> Vec<Vec<Vec<(u32, u16)>>> {
        port_groups(wanted)
            .iter()
            .map(|group| group.attempts().take(count).collect())
            .collect()
    }

    #[test]
    fn rtp_is_even_and_rtcp_follows() {
        assert_eq!(
            attempts(&[None, None], 2),
            [[[(1, 7078), (2, 7079)], [(1, 7080), (2, 7081)]]]
        );
    }

    #[test]
    fn unforced_component_follows_the_forced_one() {
        assert_eq!(
            attempts(&[Some(5001), None], 2),
            [[[(1, 5001), (2, 5002)], [(1, 5003), (2, 5004)]]]
        );
    }

    #[test]
    fn forced_components_move_alone() {
        assert_eq!(
            attempts(&[Some(5000), Some(6000)], 2),
            [[[(1, 5000)], [(1, 5002)]], [[(2, 6000)], [(2, 6002)]]]
        );
    }

    #[test]
    fn the_search_ends_with_the_port_numbers() {
        let groups = port_groups(&[Some(65533), None]);
        assert_eq!(groups[0].attempts().count(), 1);
        let groups = port_groups(&[Some(65535), None]);
        assert_eq!(groups[0].attempts().count(), 0);
        assert_eq!(port_groups(&[Some(1)])[0].attempts().count(), 32768);
    }
}
