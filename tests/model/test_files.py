"""A file of each kind that people have: read with the right bars, or refused by its name. Never a guess."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import fastparquet
import numpy as np
import pandas as pd
import pytest

from model import data
from model.bars import Bars
from model.errors import InputError
from model.reading import Reading

START = dt.datetime(2024, 1, 28, tzinfo=dt.UTC)
N = 240


class Bar:
    """An hour."""

    def __init__(self, i: int, o: float, c: float, rng: random.Random) -> None:
        self.i, self.at = i, START + dt.timedelta(hours=i)
        self.o, self.c = round(o, 2), round(c, 2)
        self.h = round(max(o, c) * (1 + rng.uniform(0, 0.002)) + 0.01, 2)
        self.l = round(min(o, c) * (1 - rng.uniform(0, 0.002)) - 0.01, 2)
        self.v = round(rng.uniform(100, 5000), 3)
        self.s = int(self.at.timestamp())

    @property
    def ohlc(self) -> str:
        return f"{self.o},{self.h},{self.l},{self.c}"


def made() -> list[Bar]:
    rng, price, bars = random.Random(3), 42_000.0, []
    for i in range(N):
        after = price * (1 + rng.gauss(0, 0.003))
        bars.append(Bar(i, price, after, rng))
        price = after
    return bars


BARS = made()
H = "Open time,Open,High,Low,Close,Volume"
ISO = "%Y-%m-%d %H:%M:%S"
Later = Callable[[], bytes]  # what takes long to make: only the test that reads it does
Content = str | bytes | Later


def csv(header: str, row: Callable[[Bar], str], order: int = 1) -> str:
    return "\n".join([header, *(row(b) for b in BARS[::order])]) + "\n"


def timed(form: str, header: str = H) -> str:
    """The plain file with times of another form."""
    return csv(header, lambda b: f"{b.at:{form}},{b.ohlc},{b.v}")


def klines(unit: int) -> str:
    def row(b: Bar) -> str:
        return f"{b.s * unit},{b.ohlc},{b.v},{(b.s + 3600) * unit - 1},1.5,{1000 + b.i},{b.v / 2:.3f},2.5,0"

    return "\n".join(row(b) for b in BARS) + "\n"


def half(first: str, second: str, lines: int = N // 2) -> str:
    """The first lines of one file and the others of another."""
    return "".join([*first.splitlines(True)[:lines], *second.splitlines(True)[lines:]])


def again(header: str) -> str:
    """The plain file with a further header in the middle."""
    lines = timed(ISO).splitlines(True)
    return "".join([*lines[:121], header, "\n", *lines[121:]])


KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,"
    "ignore\n"
)


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return out.getvalue()


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "datetime": pd.to_datetime([b.s for b in BARS], unit="s").astype("datetime64[ms]"),
            "open": [b.o for b in BARS],
            "high": [b.h for b in BARS],
            "low": [b.l for b in BARS],
            "close": [b.c for b in BARS],
            "volume": [b.v for b in BARS],
        }
    )


def parquet(rows: Callable[[], pd.DataFrame], index: bool = False, **how: str) -> Later:
    def content() -> bytes:
        out = io.BytesIO()
        out.close = lambda: None  # type: ignore[method-assign]
        fastparquet.write("x", rows(), open_with=lambda *_: out, mkdirs=lambda *_: None, write_index=index, **how)
        return out.getvalue()

    return content


def pyarrow_parquet(rows: Callable[[], pd.DataFrame], **how: object) -> Later:
    def content() -> bytes:
        out = io.BytesIO()
        out.close = lambda: None  # type: ignore[method-assign]
        rows().to_parquet(out, engine="pyarrow", **how)
        return out.getvalue()

    return content


def de(x: float, thousands: bool = True) -> str:
    """A number as it is written in German."""
    return f"{x:,.3f}".replace(",", "_").replace(".", ",").replace("_", "." if thousands else "")


def minutes(step: int = 1) -> str:
    """Finer bars that make the hours of `BARS`."""
    lines = [H]
    for b in BARS:
        n = 60 // step
        for k in range(n):
            o = b.o if k == 0 else round(b.o + (b.c - b.o) * k / n, 2)
            c = b.c if k == n - 1 else round(b.o + (b.c - b.o) * (k + 1) / n, 2)
            h, low = (b.h if k == 1 else max(o, c)), (b.l if k == 2 else min(o, c))
            lines.append(f"{b.at + dt.timedelta(minutes=k * step):{ISO}},{o},{h},{low},{c},{b.v / n}")
    return "\n".join(lines) + "\n"


YF = "Price,Close,High,Low,Open,Volume\nTicker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD\nDatetime,,,,,"
MT5 = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>"
CDD = "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD"
READ: dict[str, Content] = {
    # exchanges and services
    "binance-ms": klines(1000),
    "binance-us": klines(1_000_000),
    "binance-with-header": KLINES_HEADER + klines(1000),
    "binance-months-joined": KLINES_HEADER + klines(1000)[: klines(1000).index("\n", 9000) + 1] + KLINES_HEADER
    + klines(1000)[klines(1000).index("\n", 9000) + 1 :],
    "cryptodatadownload": "https://www.CryptoDataDownload.com\n"
    + csv(CDD, lambda b: f"{b.s},{b.at:{ISO}},BTC/USD,{b.ohlc},{b.v},{b.v * b.c}", -1),
    "cryptodatadownload-am-pm": csv(
        "Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USD",
        lambda b: f"{b.at:%Y-%m-%d %I-%p},BTCUSD,{b.ohlc},{b.v},{b.v * b.c}", -1),
    "cryptodatadownload-ms": "https://www.CryptoDataDownload.com\n"
    + csv("Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount",
          lambda b: f"{b.s * 1000},{b.at:{ISO}},BTCUSDT,{b.ohlc},{b.v},1.5,{b.i}", -1),
    "cryptodatadownload-eth-btc": "https://www.CryptoDataDownload.com\n"
    + csv("Date,Symbol,Open,High,Low,Close,Volume ETH,Volume BTC",
          lambda b: f"{b.at:{ISO}},ETHBTC,{b.ohlc},{b.v},{b.v * b.c}", -1),
    "the-money-first": csv("Date,Open,High,Low,Close,Volume BTC,Volume ETH",
                           lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v * b.c},{b.v}"),
    "gemini": csv("Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume",
                  lambda b: f"{b.s}000,{b.at:{ISO}},BTCUSD,{b.ohlc},{b.v}", -1),
    "ccxt": csv("timestamp,datetime,open,high,low,close,volume",
                lambda b: f"{b.s * 1000},{b.at:%Y-%m-%dT%H:%M:%S}.000Z,{b.ohlc},{b.v}"),
    "yfinance": csv(YF, lambda b: f"{b.at:{ISO}}+00:00,{b.c},{b.h},{b.l},{b.o},{b.v}"),
    "yfinance-ticker-first": csv(
        "Ticker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD\nPrice,Open,High,Low,Close,Volume\nDatetime,,,,,",
        lambda b: f"{b.at:{ISO}}+00:00,{b.ohlc},{b.v}"),
    "yahoo": csv("Datetime,Open,High,Low,Close,Adj Close,Volume",
                 lambda b: f"{b.at:{ISO}}+00:00,{b.ohlc},{b.c},{b.v}"),
    "bitfinex": csv("MTS,OPEN,CLOSE,HIGH,LOW,VOLUME", lambda b: f"{b.s * 1000},{b.o},{b.c},{b.h},{b.l},{b.v}"),
    "dukascopy": csv("Gmt time,Open,High,Low,Close,Volume", lambda b: f"{b.at:%d.%m.%Y %H:%M:%S}.000,{b.ohlc},{b.v}"),
    "dukascopy-local": csv("Local time,Open,High,Low,Close,Volume", lambda b:
                           f"{b.at + dt.timedelta(hours=1):%d.%m.%Y %H:%M:%S}.000 GMT+0100,{b.ohlc},{b.v}"),
    "cryptocompare": csv(",time,high,low,open,volumefrom,volumeto,close,conversionType,conversionSymbol",
                         lambda b: f"{b.i},{b.s},{b.h},{b.l},{b.o},{b.v},{b.v * b.c},{b.c},direct,"),
    "polygon": csv("v,vw,o,c,h,l,t,n", lambda b: f"{b.v},{b.c},{b.o},{b.c},{b.h},{b.l},{b.s * 1000},{b.i}"),
    "alpaca": csv("symbol,timestamp,open,high,low,close,volume,trade_count,vwap",
                  lambda b: f"BTC/USD,{b.at:{ISO}}+00:00,{b.ohlc},{b.v},{b.i},{b.c}"),
    "metatrader5": csv(MT5, lambda b:
                       f"{b.at:%Y.%m.%d}\t{b.at:%H:%M:%S}\t{b.o}\t{b.h}\t{b.l}\t{b.c}\t{b.i + 1}\t{b.v}\t10"),
    "metatrader5-ticks-alone": csv(MT5, lambda b:
                                   f"{b.at:%Y.%m.%d}\t{b.at:%H:%M:%S}\t{b.o}\t{b.h}\t{b.l}\t{b.c}\t{b.v}\t0\t10"),
    "metatrader4": "\n".join(f"{b.at:%Y.%m.%d},{b.at:%H:%M},{b.ohlc},{b.v}" for b in BARS),
    "kraken": csv("time,open,high,low,close,vwap,volume,count",
        lambda b: f"{b.s},{b.ohlc},{b.c},{b.v},{1000 + b.i * 4}"),
    "kraken-without-header": "\n".join(f"{b.s},{b.ohlc},{b.v},{1000 + b.i * 4}" for b in BARS) + "\n",
    "kraken-api-without-header": "\n".join(f"{b.s},{b.ohlc},{b.c},{b.v},{1000 + b.i * 4}" for b in BARS) + "\n",
    "coinbase": csv("time,low,high,open,close,volume", lambda b: f"{b.s},{b.l},{b.h},{b.o},{b.c},{b.v}", -1),
    "bitstamp-kaggle": csv("Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price",
                           lambda b: f"{b.s},{b.ohlc},{b.v},{b.v * b.c},{b.c}"),
    "tradingview": csv("time,open,high,low,close,Volume,Volume MA",
        lambda b: f"{b.at:%Y-%m-%dT%H:%M:%S}Z,{b.ohlc},{b.v},5"),
    "alpha-vantage": csv("timestamp,1. open,2. high,3. low,4. close,5. volume",
        lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v}", -1),
    "investing": csv('"Date","Price","Open","High","Low","Vol.","Change %"', lambda b:
                     f'"{b.at:%m/%d/%Y %H:%M}","{b.c:,.2f}","{b.o:,.2f}","{b.h:,.2f}","{b.l:,.2f}",'
                     f'"{b.v / 1000:.6f}K","1%"',
                     -1),
    "okx": csv("ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm", lambda b: f"{b.s * 1000},{b.ohlc},{b.v},1,2,1", -1),
    "ftx": csv("startTime,time,open,high,low,close,volume", lambda b:
               f"{b.at:%Y-%m-%dT%H:%M:%S}+00:00,{b.s * 1000}.0,{b.ohlc},{b.v}"),
    "binance-from-ms-to-us": KLINES_HEADER + half(klines(1000), klines(1_000_000)),
    "binance-from-ms-to-us-without-header": half(klines(1000), klines(1_000_000)),
    "kucoin": csv("time,open,close,high,low,volume,turnover",
                  lambda b: f"{b.s},{b.o},{b.c},{b.h},{b.l},{b.v},{b.v * b.c}", -1),
    "huobi": csv("id,open,close,low,high,amount,vol,count",
                 lambda b: f"{b.s},{b.o},{b.c},{b.l},{b.h},{b.v},{b.v * b.c},5", -1),
    "huobi-with-time": csv("time,open,close,low,high,amount,vol,count",
                           lambda b: f"{b.s},{b.o},{b.c},{b.l},{b.h},{b.v},{b.v * b.c},5", -1),
    "amount-is-the-money": csv("time,open,close,low,high,volume,amount",
                               lambda b: f"{b.s},{b.o},{b.c},{b.l},{b.h},{b.v},{b.v * b.c}"),
    "bybit": csv("startTime,openPrice,highPrice,lowPrice,closePrice,volume,turnover",
                 lambda b: f"{b.s * 1000},{b.ohlc},{b.v},{b.v * b.c}", -1),
    "okx-archive": csv("instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm",
                       lambda b: f"BTC-USDT,{b.ohlc},{b.v},{b.v},{b.v * b.c},{b.s * 1000},1"),
    "coinapi": csv("time_period_start;time_period_end;time_open;time_close;price_open;price_high;price_low;price_close;"
                   "volume_traded;trades_count", lambda b:
                   f"{b.at:%Y-%m-%dT%H:%M:%S}.0000000Z;x;{b.at:%Y-%m-%dT%H}:00:01.1Z;x;"
                   f"{b.o};{b.h};{b.l};{b.c};{b.v};77"),
    "stooq-ascii": csv("<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
                       lambda b: f"BTCUSD,60,{b.at:%Y%m%d},{b.at:%H%M%S},{b.ohlc},{b.v},0"),
    "dukascopy-utc": csv("UTC,Open,High,Low,Close,Volume",
                         lambda b: f"{b.at:%d.%m.%Y %H:%M:%S}.000 UTC,{b.ohlc},{b.v}"),
    "polygon-flat-file": csv("ticker,volume,open,close,high,low,window_start,transactions", lambda b:
                             f"X:BTC-USD,{b.v},{b.o},{b.c},{b.h},{b.l},{b.s}000000000,55"),
    "interactive-brokers": csv("date,open,high,low,close,volume,average,barCount",
                               lambda b: f"{b.at:%Y%m%d  %H:%M:%S},{b.ohlc},{b.v},{b.c},3"),
    "histdata": "\n".join(f"{b.at:%Y%m%d %H%M%S};{b.o};{b.h};{b.l};{b.c};{b.v}" for b in BARS),
    # how programs write
    "pandas-nameless-index": csv(",open,high,low,close,volume", lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v}"),
    "pandas-unnamed": csv("Unnamed: 0,open,high,low,close,volume", lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v}"),
    "unit-in-the-times-name": csv("open_time_ms,open,high,low,close,volume", lambda b: f"{b.s * 1000},{b.ohlc},{b.v}"),
    "a-column-of-utc": csv("time,timezone,open,high,low,close,volume", lambda b: f"{b.at:{ISO}},UTC,{b.ohlc},{b.v}"),
    "a-zone-that-times-dont-need": csv("time,gmt offset,open,high,low,close,volume",
                                       lambda b: f"{b.at:%Y-%m-%dT%H:%M:%S}Z,+9,{b.ohlc},{b.v}"),
    "a-header-again-in-capitals": again(H.upper()),
    "thin-spaces": csv(H.replace(",", ";"), lambda b: f"{b.at:{ISO}};" + ";".join(
        f"{x:,.3f}".replace(",", "\u2009").replace(".", ",") for x in (b.o, b.h, b.l, b.c, b.v))),
    "pandas-index": csv("," + H, lambda b: f"{b.i},{b.at:{ISO}},{b.ohlc},{b.v}"),
    "excel-sep-line": "sep=;\r\n" + timed(ISO).replace(",", ";").replace("\n", "\r\n"),
    "european": csv("Datum Zeit;Open;High;Low;Close;Volume".replace("Datum Zeit", "Date"), lambda b:
                    f"{b.at:%d.%m.%Y %H:%M};{de(b.o)};{de(b.h)};{de(b.l)};{de(b.c)};{de(b.v)}"),
    "european-without-header": "".join(f"{b.at:%d.%m.%Y %H:%M};" + ";".join(
        de(x, False) for x in (b.o, b.h, b.l, b.c, b.v)) + "\n" for b in BARS),
    "european-without-thousands": csv("Date;Time;Open;High;Low;Close;Volume", lambda b:
                                      f"{b.at:%d.%m.%Y;%H:%M};"
                                      + ";".join(de(x, False) for x in (b.o, b.h, b.l, b.c, b.v))),
    "swiss-thousands": csv(H, lambda b: f"{b.at:{ISO}}," + ",".join(
        f"{x:,.3f}".replace(",", "'") for x in (b.o, b.h, b.l, b.c, b.v))),
    "dollars": csv(H, lambda b: f"{b.at:{ISO}},${b.o},${b.h},${b.l},${b.c},{b.v} BTC"),
    "units-in-the-header": csv("Time (UTC),Open (USD),High (USD),Low (USD),Close (USD),Volume (BTC),Volume (USD)",
                               lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v},{b.v * b.c}"),
    "units-after-the-name": csv("Date,Open USD,High USD,Low USD,Close USD,Volume BTC",
                                lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v}"),
    "bom": b"\xef\xbb\xbf" + timed(ISO).encode(),
    "utf-16": timed(ISO).encode("utf-16"),
    "utf-16-big": b"\xfe\xff" + timed(ISO).encode("utf-16-be"),
    "crlf": timed(ISO).replace("\n", "\r\n"),
    "cr": timed(ISO).replace("\n", "\r"),
    "blank-lines": "\n\n" + timed(ISO).replace("\n", "\n\n") + ",,,,,\n\n",
    "comments": "# made by hand\n# in a hurry\n" + timed(ISO) + "# the end\n",
    "header-as-comment": "# " + timed(ISO),
    "a-title-before": "Bitcoin\n\n" + timed(ISO),
    "trailing-comma": csv(H, lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v},"),
    "quoted": csv(",".join(f'"{x}"' for x in H.split(",")), lambda b:
                  ",".join(f'"{x}"' for x in (f"{b.at:{ISO}}", b.o, b.h, b.l, b.c, b.v))),
    "date-and-hour": csv("Date,Hour,Open,High,Low,Close,Volume",
        lambda b: f"{b.at:%Y-%m-%d},{b.at.hour},{b.ohlc},{b.v}"),
    "zip": zipped(BTCUSDT__csv=klines(1000)),
    "zip-with-a-readme": zipped(README__md="hello", BTCUSDT__csv=klines(1000), CHECKSUM="abc"),
    "gzip": gzip.compress(timed(ISO).encode()),
    "parquet": parquet(frame),
    "parquet-with-texts": parquet(
        lambda: frame().assign(
            datetime=[f"{b.at:%d/%m/%Y %H:%M}" for b in BARS], close=[f"{b.c:,.2f}" for b in BARS])),
    "parquet-with-index": parquet(lambda: frame().set_index("datetime"), index=True),
    "parquet-date-and-hour": parquet(lambda: frame().drop(columns="datetime").assign(
        date=[f"{b.at:%Y-%m-%d}" for b in BARS], hour=[b.at.hour for b in BARS])),
    "parquet-nameless-index": parquet(lambda: frame().set_index("datetime").rename_axis(None), index=True),
    "parquet-with-bytes": pyarrow_parquet(lambda: frame().assign(id=[bytes([254, i % 256]) for i in range(N)])),
    "parquet-latest-first": pyarrow_parquet(lambda: frame()[::-1]),
    "parquet-epoch": parquet(lambda: frame().rename(columns={"datetime": "t"}).assign(t=[b.s * 1000 for b in BARS])),
    # forms of time
    "iso-t": timed("%Y-%m-%dT%H:%M:%S"),
    "iso-minutes": timed("%Y-%m-%d %H:%M"),
    "iso-z": timed("%Y-%m-%dT%H:%M:%S.000000Z"),
    "utc": timed("%Y-%m-%d %H:%M:%S UTC"),
    "go": timed("%Y-%m-%d %H:%M:%S +0000 UTC"),
    "go-local": csv(H, lambda b: f"{b.at + dt.timedelta(hours=1):%Y-%m-%d %H:%M:%S} +0100 CET,{b.ohlc},{b.v}"),
    "two-files-with-marks": "\ufeff" + timed(ISO) + "\ufeff" + H + "\n",
    "units-in-lower-case": csv("time,open,high,low,close,volume_btc,volume_usd", lambda b:
                               f"{b.at:{ISO}},{b.ohlc},{b.v},{b.v * b.c}"),
    "the-hours-volume": csv("time,open,high,low,close,Volume (24h),Volume (1h)", lambda b:
                            f"{b.at:{ISO}},{b.ohlc},{b.v * 24},{b.v}"),
    **{f"volume-of-{unit}": csv(f"time,open,high,low,close,Volume (24h),Volume ({unit})", lambda b:
                                f"{b.at:{ISO}},{b.ohlc},{b.v * 24},{b.v}")
       for unit in ("1 hour", "1hr", "1 hours", "60 min", "1H")},
    "two-headers-with-a-mark": "#" + again("#" + H),
    "gmt": timed("%Y-%m-%d %H:%M:%S GMT"),
    "year-first-slashes": timed("%Y/%m/%d %H:%M"),
    "year-first-dots": timed("%Y.%m.%d %H:%M"),
    "day-first-slashes": timed("%d/%m/%Y %H:%M"),
    "day-first-dots": timed("%d.%m.%Y %H:%M"),
    "day-first-dashes": timed("%d-%m-%Y %H:%M:%S"),
    "month-first": timed("%m/%d/%Y %H:%M"),
    "month-first-am-pm": timed("%m/%d/%Y %I:%M %p"),
    "two-digit-year-last": timed("%d/%m/%y %H:%M"),
    "two-digit-year-first": timed("%y-%m-%d %H:%M"),
    "month-names": csv(H, lambda b: f'"{b.at:%b %d, %Y %H:%M}",{b.ohlc},{b.v}'),
    "long-month-names": csv(H, lambda b: f'"{b.at:%B %d, %Y %I:%M:%S %p}",{b.ohlc},{b.v}'),
    "day-month-name": timed("%d %b %Y %H:%M"),
    "day-month-name-dashes": timed("%d-%b-%Y %H:%M:%S"),
    "javascript": timed("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)"),
    "rfc-2822": csv(H, lambda b: f'"{b.at:%a, %d %b %Y %H:%M:%S} +0000",{b.ohlc},{b.v}'),
    "compact": timed("%Y%m%d%H"),
    "compact-seconds": timed("%Y%m%d%H%M%S"),
    "compact-and-clock": timed("%Y%m%d %H:%M"),
    "date-and-am-pm": csv("Date,Time,Open,High,Low,Close,Volume", lambda b:
                          f"{b.at:%m/%d/%Y},{b.at:%I %p},{b.ohlc},{b.v}"),
    "compact-date-and-time": csv("Date,Time,Open,High,Low,Close,Volume", lambda b:
                                 f"{b.at:%Y%m%d},{b.at:%H%M%S},{b.ohlc},{b.v}"),
    "seconds": csv(H, lambda b: f"{b.s},{b.ohlc},{b.v}"),
    "seconds-with-point": csv(H, lambda b: f"{b.s}.0,{b.ohlc},{b.v}"),
    "nanoseconds": csv(H, lambda b: f"{b.s}000000000,{b.ohlc},{b.v}"),
    **{
        f"offset{offset}": csv(H, lambda b, offset=offset, hours=hours:  # type: ignore[misc]
                               f"{b.at + dt.timedelta(hours=hours):{ISO}}{offset},{b.ohlc},{b.v}")
        for offset, hours in (("+01", 1), ("+0100", 1), ("+01:00", 1), ("-05", -5), (" GMT+1", 1), (" UTC-5", -5),
                              (" +0530", 5.5), ("+01:00[Europe/Zurich]", 1))
    },
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bars"


def put(path: Path, content: Content) -> Path:
    if callable(content):
        content = content()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def same(bars: Bars) -> None:
    assert bars.time.tolist() == [b.at.replace(tzinfo=None) for b in BARS]
    for mine, name in (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close"), ("v", "volume")):
        np.testing.assert_allclose(getattr(bars, name), [getattr(b, mine) for b in BARS], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", READ)
def test_the_right_bars(path: Path, kind: str) -> None:
    same(data.load(put(path, READ[kind])).bars)


def without(header: str, name: str) -> str:
    return csv(header.replace(name, "Nothing"), lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v}")


def xlsx() -> bytes:
    return zipped(**{"[Content_Types]__xml": "<Types/>", "xl/workbook__xml": "<workbook/>"})


def years(row: Callable[[dt.datetime, int], str], hours: range, header: str = H) -> str:
    return "\n".join([header, *(row(dt.datetime(2023, 1, 1) + dt.timedelta(hours=i), i) for i in hours)]) + "\n"


def flat(at: dt.datetime, i: int, form: str = ISO) -> str:
    return f"{at:{form}},{100 + i % 7},110,90,{100 + (i + 1) % 7},5"


REFUSED: dict[str, tuple[Content, str]] = {
    "xlsx": (xlsx(), "an Excel workbook .xlsx.*save the sheet as CSV"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an Excel workbook .xls."),
    "ods": (zipped(mimetype="x", content__xml="<x/>"), "an OpenDocument spreadsheet"),
    "html": ("\n<!DOCTYPE html><html><body>Sign in</body></html>", "a web page .HTML."),
    "xml": ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is XML"),
    "pdf": (b"%PDF-1.7\n" + bytes(range(256)), "a PDF document"),
    "json": (json.dumps([{"open": 1, "close": 2}]), "is JSON.*write it as CSV"),
    "json-of-lists": (json.dumps([[1672531200000, "1", "2"]], indent=1), "is JSON"),
    "json-lines": ('{"time": 1, "open": 2}\n{"time": 2, "open": 3}\n', "is JSON"),
    "git-lfs": ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
    "bzip2": (b"BZh91AY&SY" + bytes(40), "bunzip2"),
    "xz": (b"\xfd7zXZ\0" + bytes(40), "unxz"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "unzstd"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(40), "a 7z archive"),
    "rar": (b"Rar!\x1a\x07" + bytes(40), "a RAR archive"),
    "pickle": (b"\x80\x04\x95" + bytes(40), "a Python pickle"),
    "feather": (b"ARROW1\0\0" + bytes(40), "an Arrow"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
    "sqlite": (b"SQLite format 3\0" + bytes(40), "an SQLite database"),
    "numpy": (b"\x93NUMPY\x01\0" + bytes(40), "a NumPy file"),
    "dukascopy-ticks": (b"\x5d\0\0\x20" + bytes(40), "bi5"),
    "tar-gz": (gzip.compress(bytes(257) + b"ustar\0" + bytes(300)), "a tar archive"),
    "gzip-in-gzip": (gzip.compress(gzip.compress(timed(ISO).encode())), "packed twice"),
    "cut-gzip": (gzip.compress(timed(ISO).encode())[:-2000], "can't be read"),
    "parquet-damaged": (b"PAR1" + bytes(100), "not a readable Parquet file"),
    "zip-of-several": (zipped(a__csv="x", b__csv="y"), r"2 files \(a.csv, b.csv\)"),
    "zip-without-csv": (zipped(a__png="x", b__md="y"), r"no CSV file"),
    "empty": ("", "is empty"),
    "binary": (bytes(range(256)) * 9, "isn't a CSV file"),
    "utf-16-without-mark": (timed(ISO).encode("utf-16-le"), "UTF-16 without a byte order mark"),
    "minute-bars": (minutes(), r"1 minute apart.*resample to hours with --resample"),
    "quarter-hours": (minutes(15), r"15 minutes apart.*--resample"),
    "daily-bars": (years(lambda at, i: flat(dt.datetime(2023, 1, 1) + dt.timedelta(days=i), i), range(300)),
                   "1 days.* apart: hourly bars"),
    "investing-daily": (csv('"Date","Price","Open","High","Low","Vol."', lambda b:
                            f'"{b.at + dt.timedelta(days=b.i):%m/%d/%Y}","{b.c:,.1f}","{b.o:,.1f}","{b.h:,.1f}",'
                            f'"{b.l:,.1f}","1.20K"'), "hourly bars are needed"),
    "hours-ends": (csv(H, lambda b: f"{b.at:%Y-%m-%d %H}:59:59.999,{b.ohlc},{b.v}"), "the end of an hour"),
    "close-time-alone": (timed("%Y-%m-%d %H:59:59", H.replace("Open time", "Close time")), "each hour's end"),
    "bitmex": (csv("timestamp,symbol,open,high,low,close,trades,volume,vwap,lastSize,turnover,homeNotional,x",
                   lambda b: f"{b.at:%Y-%m-%dT%H:%M:%S}Z,XBTUSD,{b.ohlc},5,{b.v},1,1,1,1,1"), "BitMEX.*bar's end"),
    "volume-of-a-day": (timed(ISO, H.replace("Volume", "VOLUME_24H")), "no column for volume"),
    "quote-volume-alone": (timed(ISO, H.replace("Volume", "Volume USDT")), "in the money paid"),
    "two-closes": (csv(H + ",Close EUR", lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v},1").replace("Close,", "Close USD,"),
                   "'Close USD' and 'Close EUR' both mean close"),
    "times-that-disagree": (csv("unix,date,open,high,low,close,volume", lambda b:
                                f"{b.s},{b.at + dt.timedelta(hours=1):{ISO}},{b.ohlc},{b.v}"),
                            "line 2: the columns 'unix' and 'date' both mean time.*keep one"),
    "parquet-byte-stream-split": (
        pyarrow_parquet(frame, use_dictionary=False, use_byte_stream_split=["close"]),
        "in Parquet's encoding BYTE_STREAM_SPLIT, which isn't read: write the file with plain or dictionary encoding"),
    "parquet-float16": (pyarrow_parquet(lambda: frame().astype({"close": "float16"})),
                        "column close: its values are bytes that are no text .*float16.*write numbers as float64"),
    "two-tickers": (csv("Price,Close,Close\nTicker,BTC-USD,ETH-USD\nDatetime,,", lambda b: f"{b.at:{ISO}},{b.c},1"),
                    "BTC-USD, ETH-USD side by side"),
    "two-symbols": (csv("symbol," + H, lambda b: f"BTC,{b.at:{ISO}},{b.ohlc},{b.v}\nETH,{b.at:{ISO}},3,4,2,3,1"),
                    "line 3: prices of 'ETH' after those of 'BTC'"),
    "local-time": (timed(ISO, H.replace("Open time", "Local time")), "local times without an offset"),
    "zone-in-the-header": (timed(ISO, H.replace("Open time", "Time (EST)")), "names a zone.*DATA_TIMEZONE"),
    "zone-by-name": (timed("%Y-%m-%d %H:%M:%S EST"), "names the zone EST"),
    "etc-gmt": (timed("%Y-%m-%d %H:%M:%S Etc/GMT+1"), "Etc/GMT.1 is an hour behind UTC"),
    "excel-days": (csv(H, lambda b: f"{45319 + b.i / 24:.6f},{b.ohlc},{b.v}"), "Excel's day numbers"),
    "no-time-in-a-row": (timed(ISO) + f",{BARS[0].ohlc},3\n", "line 242, column Open time: there is no time"),
    "parquet-without-a-time": (parquet(lambda: frame().assign(datetime=[None, *(f"{b.at:{ISO}}" for b in BARS[1:])])),
                               "column datetime: there is no time"),
    "hundreds-of-digits": (csv(H, lambda b: f"{b.at:{ISO}},{'9' * 400},{b.h},{b.l},{b.c},{b.v}"), "infinite"),
    "a-zero-byte": (timed(ISO).replace("2024-02-01 00", "2024-02-01\0 00"), "holds binary data"),
    "years": (csv(H, lambda b: f"{2000 + b.i},{b.ohlc},{b.v}"), "'2000' is not a time"),
    "mixed-orders": (timed("%d/%m/%Y %H:%M") + f"02/29/2024 00:00,{BARS[-1].ohlc},1\n", "can't both be of one order"),
    "undecided-order": (years(lambda at, i: flat(dt.datetime(2023, 1 + i % 12, 1 + i // 12 % 12), i, "%d/%m/%Y %H:%M"),
                              range(144)), "day and month can't be told apart: '01/01/2023 00:00'.*DATE_ORDER"),
    "undecided-thousands": (csv(H.replace(",", ";"), lambda b: f"{b.at:{ISO}};30,123;30,200;30,100;30,150;1,234"),
                            "may be a decimal number or have thousands marked"),
    "two-currencies": (csv(H, lambda b: f"{b.at:{ISO}},{'$' if b.i % 2 else '€'}{b.ohlc},{b.v}"), "different units"),
    "some-with-k": (csv(H, lambda b: f"{b.at:{ISO}},{b.ohlc},{f'{b.v / 1000}K' if b.i % 2 else f'{b.v + 1000}'}"),
                    "has no K, M or B"),
    "headless-coinbase": ("\n".join(f"{b.s},{b.l},{b.h},{b.o},{b.c},{b.v}" for b in BARS),
                          "aren't Open, High, Low, Close"),
    "headless-unclear": ("\n".join(f"{b.s},{b.ohlc},{b.v},1.5,2.5,3.5" for b in BARS), "it isn't sure what"),
    "two-volumes": (csv(H + " BTC,Volume ETH", lambda b: f"{b.at:{ISO}},{b.ohlc},{b.v},{b.i}"),
                    "'Volume BTC' and 'Volume ETH' both mean volume"),
    "a-header-of-two-lines": ('"Open\ntime"' + timed(ISO)[len("Open time"):], "line 1: a quoted text goes on"),
    "a-title-with-a-quote": ('Prices in 5" steps\n' + timed(ISO), "line 1: a quoted text goes on"),
    "parquet-index-without-a-name": (pyarrow_parquet(lambda: frame().set_index("datetime").rename_axis(None)),
                                     "an index without a name.*name it"),
    "a-column-of-offsets": (csv("time,utc_offset,open,high,low,close,volume", lambda b:
                                f"{b.at + dt.timedelta(hours=1):{ISO}},+01:00,{b.ohlc},{b.v}"),
                            "line 2, column utc_offset: '.01:00' says how far"),
    "a-column-of-zones": (csv("time,timezone,open,high,low,close,volume", lambda b:
                              f"{b.at:{ISO}},{'UTC' if b.i < 100 else 'America/New_York'},{b.ohlc},{b.v}"),
                          "line 102, column timezone: 'America/New_York'"),
    "another-header-in-the-middle": (again(H.replace("Volume", "Trades")),
                                     "line 122: a second header has 'Trades' where the first has 'Volume'"),
    "low-and-high-exchanged": (again("Open time,Open,Low,High,Close,Volume"),
                               "line 122: a second header has 'Low' where the first has 'High'"),
    "week-dates": (timed("%G-W%V-%uT%H:%M"), "'2024-W04-7T00:00' is not a time"),
    "days-of-the-year": (timed("%Y-%jT%H:%M"), "'2024-028T00:00' is not a time"),
    "hours-to-12-without-half": (timed("%Y-%m-%d %I:%M"), "two different bars for 2024-01-28 01:00 UTC"),
    "minutes-since-1970": (csv(H, lambda b: f"{b.s // 60},{b.ohlc},{b.v}"), "is not a time"),
    "excel-short-numbers": (csv(H, lambda b: f"{b.s * 1000:.5E},{b.ohlc},{b.v}"), "is not a whole hour"),
    "tardis": (csv("symbol,timestamp,open,high,low,close,volume,open_timestamp", lambda b:
                   f"BTCUSDT,{(b.s + 3600) * 10**6},{b.ohlc},{b.v},{b.s * 10**6}"), "both mean time"),
    "the-last-close-ten-times-off": (csv(H, lambda b: f"{b.at:{ISO}},{b.o},{b.h * (1 + 9 * (b.i == N - 1))},{b.l},"
                                         f"{b.c * (1 + 9 * (b.i == N - 1))},{b.v}"),
                                     "line 241: Close is .* some 10 times apart"),
    "the-first-open-ten-times-off": (csv(H, lambda b: f"{b.at:{ISO}},{b.o * (1 + 9 * (b.i == 0))},"
                                         f"{b.h * (1 + 9 * (b.i == 0))},{b.l},{b.c},{b.v}"),
                                     "line 2: Close is .* some 10 times apart"),
    "an-endless-time": (csv(H, lambda b: f"{'2024-01-01' + ' ' * 50_000 + 'x'},{b.ohlc},{b.v}"[:60_000]),
                        "'2024-01-01 .*…' is not a time"),
    "an-endless-number": (csv(H, lambda b: f"{b.at:{ISO}},{'1x' * 40_000},{b.h},{b.l},{b.c},{b.v}"),
                          "…' is not a number"),
    "100,000 fields in a row": (H + "\n" + ("," * 99_999 + "\n") * 3, "line 2 has more than 1,000 columns"),
    "a-parquet-bomb": (parquet(lambda: pd.DataFrame(dict.fromkeys(
        ("time", "open", "high", "low", "close", "volume"), np.zeros(2_000_000))), compression="GZIP"),
        "unpacks to more than 200 times"),
    "a-wide-parquet-file": (parquet(lambda: pd.DataFrame(np.zeros((3, 1200))).add_prefix("c")), "has 1,200 columns"),
    "truth-values": (csv(H, lambda b: f"{b.at:{ISO}},{b.ohlc},{bool(b.i % 2)}"),
                     "line 2, column Volume: 'False' is not a number"),
    "dotnet-ticks": (csv(H, lambda b: f"{b.s * 10**7 + 621355968 * 10**9},{b.ohlc},{b.v}"),
                     r"'638419968000000000' counts 100 nanoseconds, as .NET.*: write times as 2023-01-31 00:00"),
    "filetime": (csv(H, lambda b: f"{b.s * 10**7 + 116444736 * 10**9},{b.ohlc},{b.v}"), "counts 100 nanoseconds"),
    "two-lines-in-one": (timed(ISO).replace("\n2024-02-01 05", " 2024-02-01 05", 1),
                         "line 102 has 11 fields, and 6 are expected: mend or remove the line"),
    "a-quote-without-an-end": ("\n\n" + timed(ISO).replace("\n2024-02-01 05", '\n"2024-02-01 05', 1),
                               "line 105: a quoted text has no end: mend or remove the line"),
    "deflate64": (zipped(a__csv=timed(ISO)).replace(b"\x08\0", b"\x09\0"),
                  "compression method.*unpack it and give the CSV file, or download it again"),
    "footer": (timed(ISO) + "\nTotal rows: 600\n", "'Total rows: 600' is not a time"),
    "closes-only": (csv(H, lambda b: f"{b.at:{ISO}},{b.c},{b.c},{b.c},{b.c},{b.v}"), "single prices and not bars"),
    "constant": (csv(H, lambda b: f"{b.at:{ISO}},5,5,5,5,{b.v}"), "the price is 5 in all rows"),
    "clock-set-back": (
        years(lambda at, i: flat(at - dt.timedelta(hours=int(at >= dt.datetime(2023, 10, 29, 3))), i),
              range(7200, 7600)), "a clock was set back in that night"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_its_name(path: Path, kind: str) -> None:
    content, message = REFUSED[kind]
    with pytest.raises(InputError, match=message) as caught:
        data.load(put(path, content))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_the_order_can_be_said(path: Path) -> None:
    same(data.load(put(path, READ["day-first-slashes"]), Reading(order="dmy")).bars)
    with pytest.raises(InputError, match=r"line 2, .*'28/01/2024 00:00' is not month, day, year, as DATE_ORDER says"):
        data.load(path, Reading(order="mdy"))


@pytest.mark.parametrize("start", ["2023-01-01", "2023-02-03", "2023-11-12", "2023-12-31", "2024-02-28"])
@pytest.mark.parametrize(
    "form", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%y %H:%M", "%y/%m/%d %H:%M", "%m-%d-%y %I %p"]
)
@pytest.mark.parametrize("hours", [200, 9000])
def test_whatever_the_days_are_the_order_is_right(path: Path, start: str, form: str, hours: int) -> None:
    first = dt.datetime.fromisoformat(start)
    lines = [flat(first + dt.timedelta(hours=i), i, form) for i in range(hours)]
    loaded = data.load(put(path, "\n".join([H, *lines]) + "\n"))
    assert loaded.bars.time[0] == np.datetime64(start)
    assert len(loaded.bars) == hours
    assert not any(loaded.repairs.values())


@pytest.mark.parametrize("step", [1, 5, 30])
def test_hours_of_finer_bars(path: Path, step: int) -> None:
    loaded = data.load(put(path, minutes(step)), Reading(resample=True))
    if step < 30:  # with two bars an hour there is no third one to hold the low
        same(loaded.bars)
    assert loaded.repairs["incomplete_hours"] == 0
    same_hours = data.load(put(path, timed(ISO)), Reading(resample=True))
    same(same_hours.bars)


def test_an_hour_that_lacks_bars_is_missing(path: Path) -> None:
    lines = minutes(5).splitlines()
    del lines[100], lines[-3:]
    loaded = data.load(put(path, "\n".join(lines) + "\n"), Reading(resample=True))
    assert loaded.repairs["incomplete_hours"] == 2
    assert np.isnan(loaded.bars.close[8])
    assert len(loaded.bars) == N - 1
    assert loaded.bars.close[-1] == BARS[-2].c


def test_order_flow_that_is_empty_is_left_out(path: Path) -> None:
    lines = klines(1000).splitlines()
    emptied = [",".join([*line.split(",")[:8], "", "", *line.split(",")[10:]]) for line in lines]
    loaded = data.load(put(path, KLINES_HEADER + "\n".join(emptied) + "\n"))
    assert not loaded.bars.flow
    assert loaded.repairs["empty_flow"] == 2
    assert data.load(put(path, klines(1000))).bars.flow


def test_kraken_trades_are_no_year(path: Path) -> None:
    """The last row's trades, 1956, were once taken for the time of its end."""
    loaded = data.load(put(path, READ["kraken-without-header"]))
    assert loaded.repairs["partial_hour"] == 0
    assert len(loaded.bars) == N


def test_joined_bars(tmp_path: Path) -> None:
    lines = timed(ISO).splitlines()
    (tmp_path / "a").write_text("\n".join(lines[:221]) + "\n")
    (tmp_path / "b").write_text("\n".join([lines[0], *lines[21:]]) + "\n")
    a, b = data.load(tmp_path / "a"), data.load(tmp_path / "b")
    same(data.joined(a, b).bars)
    same(data.joined(b, a).bars)
    other = [lines[0], *(f"{b.at:{ISO}},{b.o * 2},{b.h * 2},{b.l * 2},{b.c * 2},{b.v}" for b in BARS)]
    (tmp_path / "c").write_text("\n".join(other) + "\n")
    with pytest.raises(InputError, match="of different series"):
        data.joined(a, data.load(tmp_path / "c"))
