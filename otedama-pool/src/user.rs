//! The user name that miners send: `ADDRESS[+DIFFICULTY][.WORKER]`, and the password's `d=N`.

/// What a user name and password say. Nothing in it is checked against a coin yet.
#[derive(Debug, Clone, PartialEq)]
pub struct User<'a> {
    /// The payout address.
    pub address: &'a str,
    /// The machine's name; empty if none was given.
    pub worker: &'a str,
    /// A difficulty that the miner asks for, from the user name or else from the password.
    pub difficulty: Option<f64>,
}

impl<'a> User<'a> {
    /// Takes user name and password apart. The first `.` ends the address.
    #[must_use]
    pub fn parse(name: &'a str, password: &str) -> Self {
        let (front, worker) = name.split_once('.').unwrap_or((name, ""));
        let (address, wish) = match front.split_once('+') {
            Some((address, wish)) => (address, number(wish)),
            None => (front, None),
        };
        Self { address, worker, difficulty: wish.or_else(|| password_difficulty(password)) }
    }
}

/// The first `d=N` (or `diff=N`) among the comma- or semicolon-separated parts of a password.
fn password_difficulty(password: &str) -> Option<f64> {
    let mut parts = password.split([',', ';']).map(str::trim);
    parts.find_map(|part| number(part.strip_prefix("d=").or_else(|| part.strip_prefix("diff="))?))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_taken_apart() {
        for (name, password, address, worker, difficulty) in [
            ("ltc1qx", "x", "ltc1qx", "", None),
            ("ltc1qx.rig.7", "", "ltc1qx", "rig.7", None),
            ("ltc1qx+1024.rig", "d=5", "ltc1qx", "rig", Some(1024.0)),
            ("ltc1qx.rig", "x,d=0.5", "ltc1qx", "rig", Some(0.5)),
            ("ltc1qx.rig", "diff=8;c=LTC", "ltc1qx", "rig", Some(8.0)),
            ("ltc1qx+nan.rig", "d=-1", "ltc1qx", "rig", None),
            ("ltc1qx+inf", "d=0", "ltc1qx", "", None),
            (".rig", "", "", "rig", None),
        ] {
            assert_eq!(
                User::parse(name, password),
                User { address, worker, difficulty },
                "{name} {password}"
            );
        }
    }
}
