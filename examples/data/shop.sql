-- A small bookshop: enough to ask real questions about.
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  city TEXT NOT NULL,
  since TEXT NOT NULL  -- ISO date
);
CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  category TEXT NOT NULL CHECK (category IN ('book', 'map', 'stationery')),
  price_cents INTEGER NOT NULL,
  stock INTEGER NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  placed_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'sent', 'returned'))
);
CREATE TABLE order_lines (
  order_id INTEGER NOT NULL REFERENCES orders (id),
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (order_id, product_id)
) WITHOUT ROWID;
CREATE INDEX orders_by_customer ON orders (customer_id, placed_on);

CREATE VIEW order_totals AS
SELECT o.id AS order_id, c.name AS customer, o.placed_on, o.status,
       sum(l.quantity * p.price_cents) AS total_cents
FROM orders o
JOIN customers c ON c.id = o.customer_id
JOIN order_lines l ON l.order_id = o.id
JOIN products p ON p.id = l.product_id
GROUP BY o.id;

INSERT INTO customers VALUES
  (1, 'Ilse Brandt', 'Bremen', '2021-03-02'), (2, 'Tomás Rivas', 'Bilbao', '2021-11-19'),
  (3, 'Mina Okafor', 'Leeds', '2022-01-08'), (4, 'Jonas Weber', 'Bremen', '2022-06-30'),
  (5, 'Aiko Tanabe', 'Porto', '2023-02-14'), (6, 'Ruth Levin', 'Leeds', '2023-09-01'),
  (7, 'Piotr Zając', 'Gdańsk', '2024-04-22'), (8, 'Nadia Haddad', 'Lyon', '2025-01-17');

INSERT INTO products VALUES
  (1, 'A History of Lighthouses', 'book', 2450, 14), (2, 'The Patient Gardener', 'book', 1890, 3),
  (3, 'Knots and Splices', 'book', 1290, 22), (4, 'Bread Without Hurry', 'book', 2100, 0),
  (5, 'Walking Map: North Coast', 'map', 1150, 40), (6, 'Walking Map: The Moors', 'map', 1150, 7),
  (7, 'Sea Chart Reprint, 1871', 'map', 3900, 2), (8, 'Linen Notebook', 'stationery', 1400, 61),
  (9, 'Bottle of Blue-Black Ink', 'stationery', 890, 18), (10, 'Brass Pencil Sharpener', 'stationery', 1250, 9);

INSERT INTO orders VALUES
  (101, 1, '2026-05-03', 'sent'), (102, 3, '2026-05-11', 'sent'), (103, 2, '2026-05-29', 'returned'),
  (104, 1, '2026-06-14', 'sent'), (105, 5, '2026-06-20', 'sent'), (106, 7, '2026-07-02', 'sent'),
  (107, 4, '2026-07-09', 'sent'), (108, 6, '2026-07-28', 'returned'), (109, 8, '2026-08-05', 'sent'),
  (110, 3, '2026-08-16', 'sent'), (111, 1, '2026-08-30', 'open'), (112, 7, '2026-09-02', 'open');

INSERT INTO order_lines VALUES
  (101, 1, 1), (101, 8, 2), (102, 3, 1), (102, 9, 1), (103, 7, 1), (104, 2, 1), (104, 4, 1),
  (105, 5, 2), (105, 6, 2), (106, 3, 2), (106, 10, 1), (107, 8, 5), (108, 1, 1), (109, 5, 1),
  (109, 8, 1), (109, 9, 2), (110, 2, 2), (111, 7, 1), (111, 1, 1), (112, 6, 1), (112, 10, 2);
