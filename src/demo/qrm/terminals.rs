//! The QR terminals that QRManager knows, each by its API key, and the customers of the loyalty programme.

use serde::Serialize;

/// Whose customer a terminal's owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ofd {
    /// ATOL.
    Atol,
    /// OFD.ru.
    OfdRu,
}

/// One QR terminal: "один API-ключ соответствует одному QR-терминалу".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// `X-Api-Key`.
    pub key: String,
    /// How long its codes live, milliseconds.
    pub code_ttl_ms: u64,
    /// How long its cash links stay active, milliseconds; 5 to 20 minutes in the world.
    pub link_ttl_ms: u64,
    /// Who registers its receipts; `None`: nobody ("Неверно настроен ОФД").
    pub ofd: Option<Ofd>,
    /// In the test zone only this kind of terminal has cash links and refunds.
    pub links_and_refunds: bool,
    /// In the test zone only this kind of terminal has the loyalty programme.
    pub loyalty: bool,
    /// Its products. Exactly one is listed as the document prints it: as an object, not a list.
    pub products: Vec<Product>,
}

/// A product, as §3 prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Product {
    /// `id`.
    pub id: String,
    /// `name`.
    pub name: String,
    /// Kopecks.
    pub price: i64,
    /// `isdeleted`.
    pub isdeleted: bool,
}

impl Product {
    /// One that can be sold.
    #[must_use]
    pub fn new(id: &str, name: &str, price: i64) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), price, isdeleted: false }
    }
}

impl Terminal {
    /// One that has everything but receipts and products, and codes of five minutes.
    #[must_use]
    pub fn new(key: &str) -> Self {
        let minutes = 60_000;
        Self {
            key: key.to_owned(),
            code_ttl_ms: 5 * minutes,
            link_ttl_ms: 5 * minutes,
            ofd: None,
            links_and_refunds: true,
            loyalty: true,
            products: Vec::new(),
        }
    }

    /// The part of its key that is no secret: what stands before the dot.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.split('.').next().unwrap_or_default()
    }
}

/// The key of "Аутентификация", §2.1 and §4.
pub const PLAIN_KEY: &str = "IDvAIB7E.K02zjE1o7P1ZiwDQi5yC4EBrP71Fr8Js";
/// The key of §2.1's example.
pub const OTHER_PLAIN_KEY: &str = "ViVuB00A.Fs0pQYpduk99zxZoeZR6gVhFx8itg4yP";
/// The key of §2.2.
pub const NOMENCLATURE_KEY: &str = "GZJK4okP.w0gCTfpBU7q3lO3oyTZIBu9QGIV3GM9p";
/// The key of the examples of §2.2 and §3.
pub const PRODUCTS_KEY: &str = "bpkNMc19.gCrEPynUpwBsiujn7ZiYeTCmtgJkXVj8";
/// The key of §5 whose terminal is ATOL's customer.
pub const ATOL_KEY: &str = "2IVRjLhR.2zoJKwE0zNWMRjSWO0DybEcKB7Q80iWk";
/// The key of §5 whose terminal is OFD.ru's customer.
pub const OFD_RU_KEY: &str = "wql0hiV4.rZLWWkLR68PS8Lwfe3CWHsgZobGhgICq";
/// The key of cash links and refunds.
pub const CASH_LINK_KEY: &str = "7m9EkxnW.vJ9ROI7BI7pjKxp1e1n9Gw9IyV6M46M1";
/// The key of the loyalty programme.
pub const LOYALTY_KEY: &str = "fia98afA.YoBPKERQJTukRFZk75WvFqVvmAECVyqw";

/// The terminals of the document's test keys, each with what it is for.
#[must_use]
pub fn seed_terminals() -> Vec<Terminal> {
    let plain = |key| Terminal { links_and_refunds: false, loyalty: false, ..Terminal::new(key) };
    let products = vec![
        Product::new("f1fccfff-06a9-44c2-8c07-7622f20b0e43", "Продукт №1", 123),
        Product::new("e7d5af05-49f2-45d5-b89e-fdd3ef918502", "Продукт №2", 91_500),
    ];
    vec![
        plain(PLAIN_KEY),
        plain(OTHER_PLAIN_KEY),
        Terminal { products: products.clone(), ..plain(NOMENCLATURE_KEY) },
        Terminal { products, ..plain(PRODUCTS_KEY) },
        Terminal { ofd: Some(Ofd::Atol), ..plain(ATOL_KEY) },
        Terminal { ofd: Some(Ofd::OfdRu), ..plain(OFD_RU_KEY) },
        Terminal { links_and_refunds: true, ..plain(CASH_LINK_KEY) },
        Terminal { loyalty: true, ..plain(LOYALTY_KEY) },
    ]
}

/// A customer of the loyalty programme, as the search answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// With `+7`.
    pub phone: String,
    /// `client_id`.
    pub client_id: i64,
    /// `discount_card_id`.
    pub discount_card_id: i64,
    /// `card_level`.
    pub card_level: String,
    /// `max_discount`, by the table a string, by the example a number.
    pub max_discount: i64,
    /// `max_points`.
    pub max_points: i64,
    /// `all_points`.
    pub all_points: i64,
}

/// The customer of the document's examples.
#[must_use]
pub fn seed_customer() -> Customer {
    Customer {
        phone: "+79000000000".to_owned(),
        client_id: 256_672,
        discount_card_id: 129_719,
        card_level: "Benefitty Start".to_owned(),
        max_discount: 25,
        max_points: 1,
        all_points: 492,
    }
}
