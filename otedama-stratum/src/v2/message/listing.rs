//! The two macros that turn listings into messages: a struct with its bytes, and the enum of all of them.

/// Declares messages: documentation, name, extension, message type, `channel` where the channel bit is set, and the
/// fields in the order of the wire.
macro_rules! message {
    ($($(#[$doc:meta])* $name:ident $(<$life:lifetime>)?, $extension:literal $kind:literal $($channel:ident)?, {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        message!(@payload $name [$($life)?] [$($life)? 'wire] $extension $kind [$($channel)?] { $($field)+ });
    )+};

    // The buffer's lifetime is that of the struct, where it has one.
    (@payload $name:ident [$($life:lifetime)?] [$wire:lifetime $($unused:lifetime)?]
        $extension:literal $kind:literal [$($channel:ident)?] { $($field:ident)+ }) => {
        impl<$wire> $crate::v2::Payload<$wire> for $name $(<$life>)? {
            const NAME: &'static str = stringify!($name);
            const EXTENSION: u16 = $extension;
            const KIND: u8 = $kind;
            const CHANNEL: bool = message!(@bit $($channel)?);

            // Within `Message::parse` it then writes into the place of the result; a call would copy it twice.
            #[inline(always)]
            fn decode(payload: &$wire [u8]) -> Result<(Self, $crate::v2::Tlvs<$wire>), $crate::v2::DecodeError> {
                let mut reader = $crate::v2::Reader::new(payload);
                let at = |field| move |fault| $crate::v2::DecodeError { message: stringify!($name), field, fault };
                let message = Self {
                    $($field: $crate::v2::Wire::read(&mut reader).map_err(at(stringify!($field)))?,)+
                };
                Ok((message, $crate::v2::Tlvs::new(reader.rest())))
            }
        }

        impl $(<$life>)? $crate::v2::Encode for $name $(<$life>)? {
            #[inline]
            fn header(&self) -> Result<$crate::v2::Header, $crate::v2::EncodeError> {
                use $crate::v2::Payload as _;
                let len = $crate::v2::Encode::encoded_len(self) - $crate::v2::Header::LEN;
                $crate::v2::Header::new(Self::EXTENSION, Self::CHANNEL, Self::KIND, len)
            }

            #[inline]
            fn write_payload(&self, writer: &mut $crate::v2::Writer<'_>) -> Result<(), $crate::v2::EncodeError> {
                $($crate::v2::Wire::write(&self.$field, writer)?;)+
                Ok(())
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                $crate::v2::Header::LEN$(.saturating_add($crate::v2::Wire::size(&self.$field)))+
            }
        }

        #[cfg(test)]
        impl<$wire> $crate::v2::sample::Sample<$wire> for $name $(<$life>)? {
            fn sample(source: &mut $crate::v2::sample::Source<$wire>) -> Self {
                Self { $($field: $crate::v2::sample::Sample::sample(source),)+ }
            }
        }
    };

    (@bit channel) => { true };
    (@bit) => { false };
}

/// Declares the enum of all messages from their names and types.
macro_rules! messages {
    ($($name:ident: $module:ident::$type:ident $(<$life:lifetime>)?,)+) => {
        /// Any message of the protocol and of the extensions 0x0001 and 0x0002, or a frame of something else.
        ///
        /// It borrows from the buffer that it was read from. More messages may come with the protocol, so what is none
        /// of yours belongs into a last arm, [`Unknown`](Self::Unknown) or not.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Message<'a> {
            $(
                #[doc = concat!("See [`", stringify!($type), "`](", stringify!($module), "::", stringify!($type), ").")]
                $name($module::$type $(<$life>)?),
            )+
            /// A frame of an extension or a message type that is not known here.
            Unknown(Frame<'a>),
        }

        impl<'a> Message<'a> {
            /// Reads the payload of a frame by its extension and message type, and gives what is behind the message.
            ///
            /// The channel bit is not looked at. What is not known is no error but [`Message::Unknown`], with nothing
            /// behind it: nobody knows where such a message ends.
            ///
            /// # Errors
            /// [`DecodeError`] if the payload is not the message that it should be.
            #[inline]
            pub fn parse(frame: Frame<'a>) -> Result<(Self, Tlvs<'a>), DecodeError> {
                match (frame.extension, frame.kind) {
                    $(
                        ($module::$type::EXTENSION, $module::$type::KIND) => {
                            let (message, tlvs) = $module::$type::decode(frame.payload)?;
                            Ok((Self::$name(message), tlvs))
                        }
                    )+
                    _ => Ok((Self::Unknown(frame), Tlvs::default())),
                }
            }

            /// The message's name in the specification, without the dots; `None` if it is not known.
            #[must_use]
            pub const fn name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$name(_) => Some($module::$type::NAME),)+
                    Self::Unknown(_) => None,
                }
            }
        }

        impl Encode for Message<'_> {
            fn header(&self) -> Result<Header, EncodeError> {
                match self {
                    $(Self::$name(message) => message.header(),)+
                    Self::Unknown(frame) => frame.header(),
                }
            }

            fn write_payload(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                match self {
                    $(Self::$name(message) => message.write_payload(writer),)+
                    Self::Unknown(frame) => frame.write_payload(writer),
                }
            }

            fn encoded_len(&self) -> usize {
                match self {
                    $(Self::$name(message) => message.encoded_len(),)+
                    Self::Unknown(frame) => frame.encoded_len(),
                }
            }
        }

        /// One of each, with values from the source.
        #[cfg(test)]
        pub(super) fn samples<'a>(source: &mut crate::v2::sample::Source<'a>) -> Vec<Message<'a>> {
            use crate::v2::sample::Sample as _;
            Vec::from([$(Message::$name($module::$type::sample(source))),+])
        }

        $(
            impl<'a> From<$module::$type $(<$life>)?> for Message<'a> {
                fn from(message: $module::$type $(<$life>)?) -> Self {
                    Self::$name(message)
                }
            }
        )+
    };
}
