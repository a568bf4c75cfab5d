"""Writes and reads tables with Spark in local mode. With both committers. Argument: the folder for them."""
import sys
from pyspark.sql import SparkSession, functions as f

spark = (SparkSession.builder.master("local[2]").appName("tables")
         .config("spark.ui.enabled", "false")
         .config("spark.sql.shuffle.partitions", "2")
         .getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
hadoop = spark.sparkContext._jvm.org.apache.hadoop.fs
settings = spark.sparkContext._jsc.hadoopConfiguration()
fs = hadoop.FileSystem.get(settings)
committer, folder = 1, sys.argv[1] + "1"


def there(path):
    return fs.exists(hadoop.Path(path))


def says(text, holds):
    print(("ok " if holds else "failed ") + f"committer {committer}: {text}", flush=True)


rows = 20000
table = spark.range(rows).select("id", (f.col("id") % 7).alias("week"), f.sha2(f.col("id").cast("string"), 256).alias("hash")).repartition(3)
want = table.agg(f.count("*"), f.sum("id"), f.sum(f.crc32("hash"))).collect()


def same(frame):
    return frame.agg(f.count("*"), f.sum("id"), f.sum(f.crc32("hash"))).collect() == want




def tables(kinds):
    settings.set("mapreduce.fileoutputcommitter.algorithm.version", str(committer))
    for kind in kinds:
        path = f"{folder}/{kind}"
        write, read = table.write, spark.read.schema(table.schema)
        if kind == "csv":
            write, read = write.option("header", True), read.option("header", True)
        write.format(kind).save(path)
        says(f"{kind}: committed, nothing temporary is left", there(f"{path}/_SUCCESS") and not there(f"{path}/_temporary"))
        says(f"{kind}: reads what it wrote", same(read.format(kind).load(path)))
        write.format(kind).mode("append").save(path)
        says(f"{kind}: appends", read.format(kind).load(path).count() == 2 * rows)
        write.format(kind).mode("overwrite").save(path)
        says(f"{kind}: overwrites", same(read.format(kind).load(path)))


def partitions():
    table.write.partitionBy("week").parquet(f"{folder}/parts")
    says("partitions: seven folders", len(fs.listStatus(hadoop.Path(f"{folder}/parts"))) == 8)
    says("partitions: read as one", same(spark.read.parquet(f"{folder}/parts")))
    says("partitions: only one is read", spark.read.parquet(f"{folder}/parts").where("week = 3").count() == len(range(3, rows, 7)))
    spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    table.where("week = 3").withColumn("hash", f.lit("x")).write.mode("overwrite").partitionBy("week").parquet(f"{folder}/parts")
    says("partitions: one is overwritten", spark.read.parquet(f"{folder}/parts").where("hash = 'x'").count() == len(range(3, rows, 7))
         and spark.read.parquet(f"{folder}/parts").count() == rows)


def texts():
    lines = spark.sparkContext.parallelize([f"line {i}" for i in range(rows)], 3)
    lines.saveAsTextFile(f"{folder}/text")
    says("text: reads what it wrote", sorted(spark.sparkContext.textFile(f"{folder}/text").collect()) == sorted(lines.collect()))
    return lines


def other_files(lines):
    lines.saveAsTextFile(f"{folder}/gzip", "org.apache.hadoop.io.compress.GzipCodec")
    says("text: compressed", spark.sparkContext.textFile(f"{folder}/gzip").count() == rows)
    lines.map(lambda line: (line, len(line))).saveAsSequenceFile(f"{folder}/sequence")
    says("sequence file: reads what it wrote", spark.sparkContext.sequenceFile(f"{folder}/sequence").values().sum() == sum(len(f"line {i}") for i in range(rows)))
    lines.saveAsPickleFile(f"{folder}/pickle")
    says("pickle file: reads what it wrote", spark.sparkContext.pickleFile(f"{folder}/pickle").count() == rows)
    try:
        lines.saveAsTextFile(f"{folder}/text")
        says("text: what is there is not overwritten", False)
    except Exception as e:
        says("text: what is there is not overwritten", "already exists" in str(e))


tables(("parquet", "csv", "json", "orc"))
partitions()
other_files(texts())
committer, folder = 2, sys.argv[1] + "2"
tables(("parquet", "csv"))
partitions()
texts()
spark.stop()
