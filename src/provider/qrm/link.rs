//! "Изменение платежной ссылки" (version 3.2.1): a link under which the payer chooses the bank.

/// The address of NSPK's payment links, as QRManager gives them, and the one of the page with the banks.
const GIVEN: &str = "https://qr.nspk.ru/";
const WITH_BANKS: &str = "https://web.qr.nspk.ru/";

/// Lead to the page where the payer chooses the bank. Nothing but the host changes, and a link of any other host stays as it is.
#[must_use]
pub fn with_banks(link: &str) -> String {
    match link.strip_prefix(GIVEN) {
        Some(rest) => format!("{WITH_BANKS}{rest}"),
        None => link.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::with_banks;

    #[test]
    fn only_the_host_of_a_payment_link_changes() {
        assert_eq!(
            with_banks(
                "https://qr.nspk.ru/79214088447817071504273889364435?type=01&bank=12345&sum=10000&cur=RUB&crc=F3D0"
            ),
            "https://web.qr.nspk.ru/79214088447817071504273889364435?type=01&bank=12345&sum=10000&cur=RUB&crc=F3D0"
        );
    }

    #[test]
    fn other_links_stay_as_they_are() {
        for link in [
            "https://web.qr.nspk.ru/AS1?type=01",
            "https://example.com/?to=https://qr.nspk.ru/AS1",
            "https://qr.nspk.ru.example.com/AS1",
            "",
        ] {
            assert_eq!(with_banks(link), link);
        }
    }
}
