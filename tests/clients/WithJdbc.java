import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;

/** MariaDB Connector/J: prepared statements on both sides, batches, types, metadata, transactions, error codes. */
public class WithJdbc {
    static void same(Object found, Object expected) {
        if (!expected.equals(found)) {
            throw new AssertionError(found + ", expected " + expected);
        }
    }

    public static void main(String[] arguments) throws SQLException {
        String where = "jdbc:mariadb://" + System.getenv("STARKEEP_HOST") + ":" + System.getenv("STARKEEP_PORT") + "/?user=root";
        for (String way : new String[] {"&useServerPrepStmts=true", "&useServerPrepStmts=false&rewriteBatchedStatements=true"}) {
            try (Connection connection = DriverManager.getConnection(where + way); Statement statement = connection.createStatement()) {
                statement.execute("DROP DATABASE IF EXISTS client_jdbc");
                statement.execute("CREATE DATABASE client_jdbc");
                connection.setCatalog("client_jdbc");
                statement.execute("CREATE TABLE t (id BIGINT NOT NULL, small TINYINT, price DECIMAL(12, 3), ratio DOUBLE, day DATE,"
                    + " at DATETIME, name VARCHAR(100)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)");
                write(connection);
                read(connection);
                errors(connection, statement);
                statement.execute("DROP DATABASE client_jdbc FORCE");
            }
        }
    }

    static void write(Connection connection) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)")) {
            for (long id = 1; id <= 20; id++) {
                insert.setLong(1, id);
                insert.setByte(2, (byte) -id);
                insert.setBigDecimal(3, new BigDecimal("-1234.567"));
                insert.setDouble(4, id / 4.0);
                insert.setDate(5, Date.valueOf("2026-02-28"));
                insert.setTimestamp(6, Timestamp.valueOf("2026-02-28 23:59:59"));
                insert.setString(7, "it's ü 漢字 " + id);
                insert.addBatch();
            }
            same(insert.executeBatch().length, 20);
            insert.setLong(1, 100);
            for (int place = 2; place <= 7; place++) {
                insert.setNull(place, Types.VARCHAR);
            }
            same(insert.executeUpdate(), 1);
        }
    }

    static void read(Connection connection) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement("SELECT * FROM t WHERE id = ?")) {
            select.setLong(1, 3);
            try (ResultSet rows = select.executeQuery()) {
                same(rows.next(), true);
                same(rows.getByte("small"), (byte) -3);
                same(rows.getBigDecimal("price"), new BigDecimal("-1234.567"));
                same(rows.getDouble("ratio"), 0.75);
                same(rows.getDate("day"), Date.valueOf("2026-02-28"));
                same(rows.getTimestamp("at"), Timestamp.valueOf("2026-02-28 23:59:59"));
                same(rows.getString("name"), "it's ü 漢字 3");
                same(rows.next(), false);
            }
            select.setLong(1, 100);
            try (ResultSet rows = select.executeQuery()) {
                same(rows.next(), true);
                rows.getInt("small");
                same(rows.wasNull(), true);
            }
        }
        DatabaseMetaData metadata = connection.getMetaData();
        try (ResultSet columns = metadata.getColumns("client_jdbc", null, "t", "%")) {
            int count = 0;
            while (columns.next()) {
                count++;
            }
            same(count, 7);
        }
    }

    static void errors(Connection connection, Statement statement) throws SQLException {
        try {
            statement.executeQuery("SELECT * FROM nothing");
            throw new AssertionError("an unknown table was no error");
        } catch (SQLException error) {
            same(error.getErrorCode(), 5502);
        }
        // As in StarRocks, a transaction is what BEGIN opens; autocommit alone opens none.
        statement.execute("BEGIN");
        statement.executeUpdate("INSERT INTO t (id) VALUES (200)");
        statement.execute("ROLLBACK");
        try (ResultSet rows = statement.executeQuery("SELECT count(*) FROM t")) {
            rows.next();
            same(rows.getLong(1), 21L);
        }
    }
}
