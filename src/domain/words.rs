//! The words of an enum, in one table: no value can be without its word, nor be left out where all of them are counted.

/// Gives an enum `ALL`, its values in this order, and `as_str`, the word of each.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $word:literal,)+ }) => {
        impl $name {
            /// Every one, in the order of the table.
            pub const ALL: [$name; [$($word),+].len()] = [$($name::$value),+];

            $(#[$doc])*
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$value => $word,)+
                }
            }
        }
    };
}

pub(crate) use words;
