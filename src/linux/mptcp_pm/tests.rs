use proptest::prelude::*;

use super::*;

proptest! {
    /// Requests and replies have the same attributes, so that what is sent can be read.
    #[test]
    fn what_is_encoded_can_be_decoded(port: u16, dev: u32) {
        let identity = Identity { address: [192, 0, 2, 1].into(), port: NonZeroU16::new(port) };
        let dev = NonZeroU32::new(dev).map(|index| Device { index, name: None });
        let endpoint = Endpoint { identity, id: AddressId::new(7), dev, flags: Flags::SIGNAL };
        let request = GenlFamily(28).add(&endpoint, endpoint.id);
        prop_assert_eq!(super::endpoint(&request.body), Some(endpoint));
    }
}
